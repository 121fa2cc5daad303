import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Host, Image, Sandbox } from '../../../../lib/index.js';
import { busyboxImage } from '../../../support/busybox-image.js';
import { ImageLab } from '../../../support/image-lab.js';
import { rejection } from '../../../support/rejection.js';
import { publish, type TestImage } from '../../../support/test-image.js';

/** What a disk does to a store between two runs of an application: nothing of it may be lost for good. */
const lab = new ImageLab();
const made: TestImage = busyboxImage('one');
let host: Host;
const hosts: Host[] = [];
const full = (name: string): string => lab.reference(name).toString();
const blobs = (): string => join(lab.root, 'host/content/blobs/sha256');
const records = (): string[] => readdirSync(join(lab.root, 'host/images')).filter((name) => name.endsWith('.json'));

/** Nothing that was read before is remembered. */
function openAgain(): Host {
  const place = { root: join(lab.root, 'host'), stateDir: join(lab.root, 'state') };
  const opened = new Host({ ...place, storage: 'overlay', registries: { useCredentialFiles: false } });
  hosts.push(opened);
  return opened;
}

beforeEach(async () => {
  host = openAgain();
  for (const [name, image] of [
    ['app:1', made],
    ['other:1', busyboxImage('two')],
  ] as const) {
    await publish(lab.client, lab.reference(name), image);
    await Image.pull(full(name), { host });
  }
});
afterEach(async () => {
  for (const each of hosts.splice(0)) await each.close();
});

describe.each(['config', 'manifest'] as const)('a damaged %s', (part) => {
  beforeEach(() => {
    writeFileSync(join(blobs(), made[part].digest.slice('sha256:'.length)), '{"half":');
    host = openAgain();
  });

  test('does not hide other images', async () => {
    expect((await Image.list({ host })).map(({ reference }) => reference)).toEqual([full('other:1')]);
    expect((await rejection(Image.get(full('app:1'), { host }))).code).toBe('ERR_DIGEST_MISMATCH');
  });

  test.each<[string, (image: string) => Promise<unknown>]>([
    ['a pull', (image) => Image.pull(image, { host })],
    ['a pull of what is missing', (image) => Image.pull(image, { host, policy: 'missing' })],
    ['a start', (image) => Sandbox.run(['true'], { image, host })],
  ])('is fetched again by %s', async (_, act) => {
    await act(full('app:1'));
    expect((await Sandbox.run(['cat', '/which'], { image: full('app:1'), host, pull: 'never' })).stdout).toBe('one');
    const bytes = readFileSync(join(blobs(), made[part].digest.slice('sha256:'.length)));
    expect(bytes.length).toBe(made[part].size);
  });

  test('is fetched again for another name of the same image', async () => {
    await publish(lab.client, lab.reference('same:1'), made);
    await Image.pull(full('same:1'), { host });
    expect((await Sandbox.run(['cat', '/which'], { image: full('app:1'), host, pull: 'never' })).stdout).toBe('one');
  });
});

test.each<[string, (bytes: Buffer) => Buffer]>([
  ['empty', () => Buffer.alloc(0)],
  ['cut off', (bytes) => bytes.subarray(0, bytes.length / 2)],
])('a layer that is %s is fetched again by a pull', async (_, damage) => {
  const { digest, size } = made.layers[0]!;
  const path = join(blobs(), digest.slice('sha256:'.length));
  const bytes = damage(readFileSync(path));
  rmSync(path);
  writeFileSync(path, bytes);
  host = openAgain();
  const image = await Image.pull(full('app:1'), { host });
  expect(readFileSync(path)).toHaveLength(size);
  await image.export(join(lab.root, 'app.tar'));
});

test('a damaged record of a name is as good as none, and goes with the next collection', async () => {
  const isOfApp = (name: string): boolean =>
    readFileSync(join(lab.root, 'host/images', name), 'utf8').includes(full('app:1'));
  writeFileSync(join(lab.root, 'host/images', records().find(isOfApp)!), '');
  host = openAgain();
  expect((await Image.list({ host })).map(({ reference }) => reference)).toEqual([full('other:1')]);
  expect((await rejection(Image.get(full('app:1'), { host }))).code).toBe('ERR_IMAGE_NOT_FOUND');
  await Image.tag(full('other:1'), 'more:1', { host });
  expect((await Image.pull(full('app:1'), { host })).reference).toBe(full('app:1'));
  writeFileSync(join(lab.root, 'host/images', records().find(isOfApp)!), '{');
  await Image.prune({ host });
  expect(records()).toHaveLength(2);
});
