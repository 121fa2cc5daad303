import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { getImage } from '../../../../lib/image/stored-image.js';
import { Sandbox } from '../../../../lib/index.js';
import { CommitLab, sh } from '../../../support/commit-lab.js';
import { rejection } from '../../../support/rejection.js';

const lab = new CommitLab();

describe.each(['overlay', 'erofs'] as const)('%s', (storage) => {
  const on = lab.host(storage);
  const ingest = join(on.root, 'content/ingest');

  test('everything stands still meanwhile, and goes on', async () => {
    await using box = await on.open();
    const events: string[] = [];
    for (const name of ['paused', 'resumed'] as const) box.on(name, () => events.push(name));
    const writer = box.exec(['sh', '-c', 'while :; do echo more >> /growing; done'], { timeout: Infinity });
    await sh(box, 'while [ ! -s /growing ]; do :; done');
    await Promise.all([box.commit('me/still:1'), box.commit('me/still:2')]);
    expect(events).toEqual(['paused', 'resumed', 'paused', 'resumed']);
    expect(box.state).toBe('running');
    writer.kill('SIGKILL');
    await writer;
    await box.commit('me/still:3', { pause: false });
    await box.pause();
    await box.commit('me/still:4');
    expect(box.state).toBe('paused');
    expect(events).toHaveLength(5);
  });

  test('one that fails leaves the name as it was, and nothing half-made', async () => {
    await using box = await on.open();
    const before = await on.commit(box, 'me/failing:1');
    await sh(box, ': > /.wh.made');
    const error = await rejection(box.commit('me/failing:1'));
    expect(error).toMatchObject({
      code: 'ERR_KERNEL',
      errno: 'EINVAL',
      subject: expect.stringContaining('.wh.made') as string,
    });
    expect(box.state).toBe('running');
    expect((await getImage(on.images, 'docker.io/me/failing:1')).record).toEqual(before.record);
    expect(readdirSync(ingest)).toEqual([]);
  });

  test('aborted, there is no image', async () => {
    await using box = await on.open();
    await sh(box, 'busybox head -c 8000000 /dev/urandom > /big');
    for (const when of ['before', 'while packing'] as const) {
      const controller = new AbortController();
      if (when === 'before') controller.abort();
      else box.once('paused', () => controller.abort());
      expect((await rejection(box.commit('me/aborted:1', { signal: controller.signal }))).code).toBe('ERR_ABORTED');
      expect(box.state).toBe('running');
    }
    expect(await on.images.names.get('docker.io/me/aborted:1')).toBeUndefined();
    expect(readdirSync(ingest)).toEqual([]);
  });

  test('aborted when its layer is stored, nothing of it is left', async () => {
    await using box = await on.open();
    await box.commit('me/before:1');
    await sh(box, 'busybox head -c 8000000 /dev/urandom > /big');
    const list = (): string[] =>
      ['content/blobs', `layers/${storage}`]
        .flatMap((name) => readdirSync(join(on.root, name), { recursive: true, encoding: 'utf8' }))
        .sort();
    const before = list();
    const controller = new AbortController();
    box.once('resumed', () => controller.abort());
    expect((await rejection(box.commit('me/late:1', { signal: controller.signal }))).code).toBe('ERR_ABORTED');
    expect(list()).toEqual(before);
    expect((await box.commit('me/late:1')).layers).toHaveLength(3);
  });

  test('a sandbox that ends meanwhile makes no image', async () => {
    await using box = await on.open();
    // Long enough to pack.
    await sh(box, 'busybox head -c 60000000 /dev/urandom > /big');
    box.once('paused', () => void box.kill());
    expect((await rejection(box.commit('me/killed:1'))).code).toBe('ERR_SANDBOX_STATE');
    expect(await on.images.names.get('docker.io/me/killed:1')).toBeUndefined();
    expect((await rejection(box.commit('me/killed:1'))).code).toBe('ERR_SANDBOX_STATE');
  });
});

describe('where the changes cannot be told, the error says why', () => {
  const on = lab.host('copy');
  const other = mkdtempSync('/var/tmp/cloister-commit-root-');
  afterAll(() => rmSync(other, { recursive: true }));

  test.each([
    ['the root of the host', () => ({}), 'not made from an image'],
    ['a directory', () => ({ image: { directory: other } }), 'not made from an image'],
    ['the copy driver', () => ({ image: lab.reference }), 'a tree of its own'],
  ])('%s', async (_, options, why) => {
    await using box = await Sandbox.create({ host: on.host, ...options() });
    const error = await rejection(box.commit('me/none:1'));
    expect(error.code).toBe('ERR_UNSUPPORTED');
    expect(error.message).toContain(why);
    expect(box.state).toBe('running');
  });
});
