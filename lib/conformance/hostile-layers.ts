import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../shared/digest.js';
import { makeArchive, type Entry } from './archive.js';
import { pieces, rejection, type Bench, type BenchCase } from './bench.js';
import { closeDescriptor } from '../native/descriptor.js';

const UP = '../'.repeat(24);

/** Each tries to write `escaped` next to the canary; `out` is the canary's directory. */
const ESCAPES: Readonly<Record<string, (out: string) => readonly Entry[]>> = {
  'a name with ..': (out) => [{ name: `${UP}${out}/escaped`, content: 'x' }],
  'an absolute name': (out) => [{ name: join(out, 'escaped'), content: 'x' }],
  'a name below an absolute link': (out) => [
    { name: 'link', link: out },
    { name: 'link/escaped', content: 'x' },
  ],
  'a name below a relative link': (out) => [
    { name: 'link', link: `${UP}${out}` },
    { name: 'link/escaped', content: 'x' },
  ],
  'a chain of links': (out) => [
    { name: 'a', link: 'b' },
    { name: 'b', link: 'c/../' },
    { name: 'c', link: out },
    { name: 'c/escaped', content: 'x' },
    { name: 'a/c/escaped', content: 'x' },
  ],
  'a hard link to a link to the outside': (out) => [
    { name: 'link', link: join(out, 'canary') },
    { name: 'hard', link: 'link', type: 'link' },
    { name: 'hard', content: 'overwritten' },
  ],
  'a hard link to the outside': (out) => [
    { name: 'hard', link: `${UP}${out}/canary`, type: 'link' },
    { name: 'hard', content: 'overwritten' },
  ],
  'a link in the place of a directory': (out) => [
    { name: 'dir/' },
    { name: 'dir', link: out },
    { name: 'dir/escaped', content: 'x' },
  ],
  'a whiteout below a link': (out) => [
    { name: 'link', link: out },
    { name: 'link/.wh.canary', content: '' },
    { name: 'link/.wh..wh..opq', content: '' },
  ],
  "a link through the process's own root": (out) => [
    { name: 'link', link: '/proc/self/root' },
    { name: `link${out}/escaped`, content: 'x' },
  ],
};

async function tryEscape({ driver, scratch }: Bench, entries: (out: string) => readonly Entry[]): Promise<void> {
  const out = join(scratch, 'outside');
  await mkdir(out);
  await writeFile(join(out, 'canary'), 'alive');
  const archive = await makeArchive(entries(out));
  // Refused, or kept inside: both are right.
  const error: unknown = await driver.add(archive.layer, pieces(archive)).catch((reason: unknown) => reason);
  if (error !== undefined) assert.equal((error as { code?: string }).code, 'ERR_LAYER_INVALID');
  if (error === undefined) await makeRoot(driver, archive.layer);
  assert.deepEqual(await readdir(out), ['canary']);
  assert.equal(await readFile(join(out, 'canary'), 'utf8'), 'alive');
}

async function makeRoot(driver: Bench['driver'], layer: Digest): Promise<void> {
  const snapshot = await driver.prepare([layer], 'escape');
  for (const fd of snapshot.kind === 'tree' ? [snapshot.tree] : snapshot.trees) closeDescriptor(fd);
  await snapshot.remove?.();
}

async function refuse({ driver }: Bench, bytes: Buffer): Promise<void> {
  const layer: Digest = `sha256:${'1'.repeat(64)}`;
  const error = await rejection(driver.add(layer, pieces({ bytes })));
  assert.equal(error.code, 'ERR_LAYER_INVALID');
  assert.equal(await driver.has(layer), false);
}

/** What an archive from a stranger may try. */
export const HOSTILE_CASES: readonly BenchCase[] = [
  ...Object.entries(ESCAPES).map(([name, entries]): BenchCase => [
    `nothing outside changes: ${name}`,
    (bench) => tryEscape(bench, entries),
  ]),
  [
    'a truncated archive is refused',
    async (bench) =>
      refuse(bench, (await makeArchive([{ name: 'a', content: 'x'.repeat(5000) }])).bytes.subarray(0, 3000)),
  ],
  [
    'an archive with a wrong checksum is refused',
    async (bench) => {
      const { bytes } = await makeArchive([{ name: 'a', content: 'x' }]);
      bytes[0] = 0x62;
      await refuse(bench, bytes);
    },
  ],
];
