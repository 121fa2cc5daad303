import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { makeDescriptor } from '../../../../lib/image/descriptor.js';
import { MEDIA_TYPE } from '../../../../lib/image/media-types.js';
import { pullImage } from '../../../../lib/image/pull.js';
import { collectGarbage, pruneImages, removeImage } from '../../../../lib/image/remove.js';
import { findImage, getImage, holdImage } from '../../../../lib/image/stored-image.js';
import { ImageLab } from '../../../support/image-lab.js';
import { openTestImages } from '../../../support/images.js';
import { rejection } from '../../../support/rejection.js';
import { layerOf, publish, testImage, type TestImage } from '../../../support/test-image.js';

const lab = new ImageLab();
const base = layerOf({ base: 'x' });

async function pull(name: string, image: TestImage) {
  await publish(lab.client, lab.reference(name), image);
  return pullImage(lab.images, lab.client, lab.reference(name));
}

const name = (short: string): string => lab.reference(short).toString();

test('removes a name and what only it leads to', async () => {
  const [one, two] = [testImage([base, layerOf({ one: '1' })]), testImage([base, layerOf({ two: '2' })])];
  await pull('remove:one', one);
  await pull('remove:two', two);
  const removed = await removeImage(lab.images, name('remove:one'));
  expect(removed.references).toEqual([name('remove:one')]);
  expect(removed.layers).toEqual([one.diffIds[1]]);
  expect(removed.blobs.toSorted()).toEqual(
    [one.manifest, one.config, one.layers[1]!].map((each) => each.digest).toSorted(),
  );
  expect(removed.bytes).toBe(one.manifest.size + one.config.size + one.layers[1]!.size);
  expect(await findImage(lab.images, name('remove:one'))).toBeUndefined();
  for (const digest of two.blobs.keys()) expect(await lab.images.content.has(digest)).toBe(true);
  expect(await rejection(removeImage(lab.images, name('remove:one')))).toMatchObject({ code: 'ERR_IMAGE_NOT_FOUND' });
});

test('an image that a sandbox runs stays, in all processes', async () => {
  const image = testImage([base]);
  await pull('held:1', image);
  using other = openTestImages(lab.root);
  const hold = await holdImage(other, await getImage(other, name('held:1')));
  expect(await rejection(removeImage(lab.images, name('held:1')))).toMatchObject({ code: 'ERR_IMAGE_IN_USE' });
  expect((await pruneImages(lab.images, { all: true })).references).toEqual([]);
  // The name alone can go.
  const forced = await removeImage(lab.images, name('held:1'), { force: true });
  expect(forced).toMatchObject({ references: [name('held:1')], blobs: [], layers: [] });
  hold[Symbol.dispose]();
  expect((await collectGarbage(lab.images)).layers).toEqual(image.diffIds);
});

test('one of two names of an image that is used can go', async () => {
  const image = await pull('names:1', testImage([base]));
  await lab.images.names.put({ ...image.record, reference: name('names:2') });
  using _hold = await holdImage(lab.images, image);
  expect((await removeImage(lab.images, name('names:1'))).blobs).toEqual([]);
  expect(await rejection(removeImage(lab.images, name('names:2')))).toMatchObject({ code: 'ERR_IMAGE_IN_USE' });
});

test('a hold whose descriptor another process has, too, outlives its holder', async () => {
  const image = await pull('passed:1', testImage([base]));
  const hold = await holdImage(lab.images, image);
  const heir = spawn('sleep', ['300'], { stdio: ['ignore', 'ignore', 'ignore', hold.fd] });
  await once(heir, 'spawn');
  hold[Symbol.dispose]();
  expect(await rejection(removeImage(lab.images, name('passed:1')))).toMatchObject({ code: 'ERR_IMAGE_IN_USE' });
  heir.kill('SIGKILL');
  await once(heir, 'exit');
  await removeImage(lab.images, name('passed:1'));
});

test('prune removes what no name leads to, and with `all` what no sandbox runs', async () => {
  const [old, now] = [testImage([layerOf({ v: 'old' })]), testImage([layerOf({ v: 'new' })])];
  await pull('moving:1', old);
  await pull('moving:1', now);
  expect((await pruneImages(lab.images)).layers).toEqual(old.diffIds);
  const rest = await pruneImages(lab.images, { all: true });
  expect(rest.references).toEqual([name('moving:1')]);
  expect(rest.layers).toEqual(now.diffIds);
  for await (const left of lab.images.content.list()) expect.unreachable(left.digest);
});

test('an image that calls the manifest of another one its layer takes nothing from it', async () => {
  const victim = testImage([base]);
  await pull('zz-victim:1', victim);
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociManifest,
      config: { mediaType: MEDIA_TYPE.ociConfig, digest: victim.config.digest, size: victim.config.size },
      layers: [{ mediaType: MEDIA_TYPE.ociLayer, digest: victim.manifest.digest, size: victim.manifest.size }],
    }),
  );
  using lease = lab.images.content.lease();
  const digest = await lab.images.content.put(lease, bytes);
  const target = makeDescriptor({ mediaType: MEDIA_TYPE.ociManifest, digest, size: bytes.length });
  await lab.images.names.put({ reference: name('aa-hostile:1'), target, manifest: target, updated: 1 });
  lease[Symbol.dispose]();
  expect((await collectGarbage(lab.images)).blobs).toEqual([]);
  expect(await lab.images.layers.has(victim.diffIds[0]!)).toBe(true);
});

test('removing while others pull the same image loses nothing', async () => {
  const image = testImage([base, layerOf({ churn: 'x'.repeat(10_000) })]);
  await publish(lab.client, lab.reference('churn:1'), image);
  using other = openTestImages(lab.root);
  for (let round = 0; round < 10; round++) {
    await Promise.all([
      pullImage(lab.images, lab.client, lab.reference('churn:1')),
      pullImage(other, lab.client, lab.reference('churn:1')),
      removeImage(other, name('churn:1')).catch(() => undefined),
      pruneImages(lab.images, { all: round % 2 === 0 }),
    ]);
    const found = await findImage(lab.images, name('churn:1'));
    if (found === undefined) continue;
    for (const digest of image.blobs.keys()) expect(await lab.images.content.has(digest)).toBe(true);
    for (const diffId of image.diffIds) expect(await lab.images.layers.has(diffId)).toBe(true);
  }
  await lab.expectSound();
});
