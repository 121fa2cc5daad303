import assert from 'node:assert/strict';
import type { Snapshotter } from '../shared/snapshotter.js';
import type { Digest } from '../shared/digest.js';
import { makeArchive } from './archive.js';
import { pieces, rejection, type BenchCase } from './bench.js';

const NO_LAYER: Digest = `sha256:${'0'.repeat(64)}`;
const FILES = [
  { name: 'etc/' },
  { name: 'etc/motd', content: 'hello\n' },
  { name: 'etc/big', content: Buffer.alloc(300_000, 'x') },
];

async function assertAbsent(driver: Snapshotter, layer: Digest): Promise<void> {
  assert.equal(await driver.has(layer), false);
  assert.deepEqual(
    (await driver.list()).map((each) => each.layer),
    [],
  );
}

/** What becomes of a layer from `add` to `remove`. */
export const LIFECYCLE_CASES: readonly BenchCase[] = [
  [
    'a layer is there once it was added, and listed with its size',
    async ({ driver, add }) => {
      await assertAbsent(driver, NO_LAYER);
      const layer = await add(...FILES);
      assert.equal(await driver.has(layer), true);
      const [stored, ...others] = await driver.list();
      assert.equal(stored?.layer, layer);
      assert.ok(stored.bytes >= 300_000, `expected at least the size of its files, got ${stored.bytes}`);
      assert.deepEqual(others, []);
    },
  ],
  [
    'it is there for every other process',
    async ({ twin, add }) => {
      const layer = await add(...FILES);
      assert.equal(await twin.has(layer), true);
      assert.equal((await twin.list()).length, 1);
    },
  ],
  [
    'adding it again, at the same time and from two processes is no error',
    async ({ driver, twin }) => {
      const archive = await makeArchive(FILES);
      const add = (to: Snapshotter): Promise<void> => to.add(archive.layer, pieces(archive));
      await Promise.all([add(driver), add(driver), add(twin), add(twin)]);
      await add(driver);
      assert.equal((await driver.list()).length, 1);
    },
  ],
  [
    'layers are kept apart',
    async ({ driver, add }) => {
      const first = await add({ name: 'a', content: '1' });
      const second = await add({ name: 'a', content: '2' });
      assert.notEqual(first, second);
      assert.equal((await driver.list()).length, 2);
      await driver.remove(first);
      assert.deepEqual([await driver.has(first), await driver.has(second)], [false, true]);
    },
  ],
  ['an empty layer is a layer', async ({ driver, add }) => assert.equal(await driver.has(await add()), true)],
  [
    'removing one twice, or one that never was, is no error',
    async ({ driver, add }) => {
      const layer = await add(...FILES);
      await driver.remove(layer);
      await driver.remove(layer);
      await driver.remove(NO_LAYER);
      await assertAbsent(driver, layer);
      assert.equal(await add(...FILES), layer);
      assert.equal(await driver.has(layer), true);
    },
  ],
  [
    'no root is made of a layer that is not there',
    async ({ driver, add }) => {
      const layer = await add(...FILES);
      assert.equal((await rejection(driver.prepare([layer, NO_LAYER], 'test'))).code, 'ERR_NOT_FOUND');
    },
  ],
  [
    'an archive that fails at its end leaves nothing',
    async ({ driver }) => {
      const archive = await makeArchive(FILES);
      const failing = async function* (): AsyncGenerator<Uint8Array> {
        yield* pieces(archive);
        throw new Error('digest does not match');
      };
      assert.match((await rejection(driver.add(archive.layer, failing()))).message, /digest does not match/);
      await assertAbsent(driver, archive.layer);
      await driver.add(archive.layer, pieces(archive));
      assert.equal(await driver.has(archive.layer), true);
    },
  ],
  [
    'an abort in the middle leaves nothing',
    async ({ driver }) => {
      const archive = await makeArchive(FILES);
      const controller = new AbortController();
      const slow = async function* (): AsyncGenerator<Uint8Array> {
        yield* pieces({ bytes: archive.bytes.subarray(0, 100_000) });
        controller.abort(new Error('enough'));
        yield* pieces({ bytes: archive.bytes.subarray(100_000) });
      };
      await rejection(driver.add(archive.layer, slow(), { signal: controller.signal }));
      await assertAbsent(driver, archive.layer);
    },
  ],
];
