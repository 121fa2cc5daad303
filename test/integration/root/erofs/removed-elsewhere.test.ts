import { createHash } from 'node:crypto';
import { closeSync, fstatSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ErofsSnapshotter } from '../../../../lib/rootfs/erofs.js';
import type { Digest } from '../../../../lib/shared/digest.js';
import { archive, file } from '../../../support/tar.js';

/** On a disk, as EROFS needs it. */
let directory: string;
let mine: ErofsSnapshotter;
let theirs: ErofsSnapshotter;
const fds: number[] = [];

beforeEach(() => {
  directory = mkdtempSync('/var/tmp/cloister-removed-elsewhere-');
  [mine, theirs] = [1, 2].map(() => new ErofsSnapshotter(join(directory, 'layers'))) as [typeof mine, typeof theirs];
});

afterEach(async () => {
  for (const fd of fds.splice(0)) closeSync(fd);
  for (const snapshotter of [mine, theirs]) await snapshotter.close();
  rmSync(directory, { recursive: true });
});

const layers = ['one', 'two'].map((name) => archive(file(name, name)));
const [one, two] = layers.map((bytes): Digest => `sha256:${createHash('sha256').update(bytes).digest('hex')}`) as [
  Digest,
  Digest,
];

async function add(snapshotter: ErofsSnapshotter, layer: Digest): Promise<void> {
  const bytes = layers[[one, two].indexOf(layer)]!;
  const pieces = (async function* () {
    yield bytes;
  })();
  await snapshotter.add(layer, pieces);
}

/** Which mount a sandbox would get; it stays open, so that no other one has its number. */
async function mountOf(layer: Digest): Promise<number> {
  const snapshot = await mine.prepare([layer]);
  if (snapshot.kind !== 'layers') return expect.unreachable();
  fds.push(...snapshot.trees);
  return fstatSync(snapshot.trees[0]!).dev;
}

test('what another process removed and this one brings again is mounted anew', async () => {
  await add(mine, one);
  const before = await mountOf(one);
  expect(await mountOf(one)).toBe(before);
  await theirs.remove(one);
  await add(mine, one);
  expect(await mountOf(one)).not.toBe(before);
});

test('a mount of what another process removed goes when another layer is mounted', async () => {
  for (const layer of [one, two]) await add(mine, layer);
  const before = await mountOf(one);
  await theirs.remove(one);
  await mountOf(two);
  await add(theirs, one);
  expect(await mountOf(one)).not.toBe(before);
});
