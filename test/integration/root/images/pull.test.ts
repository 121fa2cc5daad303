import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeDescriptor } from '../../../../lib/image/descriptor.js';
import { MEDIA_TYPE } from '../../../../lib/image/media-types.js';
import { parsePlatform } from '../../../../lib/image/platform.js';
import type { ImageProgress } from '../../../../lib/image/progress.js';
import { pullImage } from '../../../../lib/image/pull.js';
import { indexBytes } from '../../../../lib/image/write-documents.js';
import { ImageLab } from '../../../support/image-lab.js';
import { openTestImages } from '../../../support/images.js';
import { noise } from '../../../support/noise.js';
import { rejection } from '../../../support/rejection.js';
import { makeScratch } from '../../../support/scratch.js';
import { layerOf, publish, testImage, testIndex, type TestImage } from '../../../support/test-image.js';

const HOST = process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64';
const OTHER = process.arch === 'arm64' ? 'linux/amd64' : 'linux/arm64';

const lab = new ImageLab();

function twoLayers(): TestImage {
  return testImage([
    layerOf({ 'etc/': '', 'etc/a': 'lower' }),
    layerOf({ 'etc/b': noise(7, 600_000), 'etc/.wh.a': '' }),
  ]);
}

test('brings manifest, configuration and layers, and gives the name', async () => {
  const image = twoLayers();
  await publish(lab.client, lab.reference('plain:1'), image);
  const progress: ImageProgress[] = [];
  const pulled = await pullImage(lab.images, lab.client, lab.reference('plain:1'), {
    onProgress: (each) => progress.push(each),
  });
  expect(pulled.record).toMatchObject({
    reference: `${lab.proxy.host}/plain:1`,
    target: image.manifest,
    manifest: image.manifest,
  });
  expect(pulled.config.cmd).toEqual(['/bin/sh']);
  expect(await lab.images.names.list()).toEqual([pulled.record]);
  for (const digest of image.blobs.keys()) expect(await lab.images.content.has(digest)).toBe(true);
  expect(readFileSync(join(lab.images.layers.path(image.diffIds[1]!), 'etc/b')).equals(noise(7, 600_000))).toBe(true);
  expect(lab.partials()).toEqual([]);
  const total = image.layers[0]!.size + image.layers[1]!.size;
  expect(progress.at(-1)).toMatchObject({ phase: 'done', overall: { bytes: total, total, layersDone: 2, layers: 2 } });
  expect(new Set(progress.map(({ phase }) => phase))).toEqual(new Set(['waiting', 'downloading', 'unpacking', 'done']));
});

test.each([
  ['plain', MEDIA_TYPE.ociLayer, (bytes: Buffer) => bytes],
  ['zstd', MEDIA_TYPE.ociLayerZstd, (bytes: Buffer) => execFileSync('zstd', ['-c'], { input: bytes })],
  [
    'gzip that calls itself plain',
    MEDIA_TYPE.ociLayer,
    (bytes: Buffer) => execFileSync('gzip', ['-c'], { input: bytes }),
  ],
])('unpacks layers of %s', async (_, mediaType, pack) => {
  const image = testImage([layerOf({ hello: noise(3, 300_000) })], {
    pack: (bytes) => ({ bytes: pack(bytes), mediaType }),
  });
  const name = lab.reference(`packed:${image.manifest.digest.slice(7, 17)}`);
  await publish(lab.client, name, image);
  await pullImage(lab.images, lab.client, name);
  expect(readFileSync(join(lab.images.layers.path(image.diffIds[0]!), 'hello')).equals(noise(3, 300_000))).toBe(true);
});

test('fetches what is missing, and nothing twice', async () => {
  const [base, above] = [layerOf({ base: 'x' }), layerOf({ above: 'y' })];
  await publish(lab.client, lab.reference('shared:base'), testImage([base]));
  await publish(lab.client, lab.reference('shared:above'), testImage([base, above]));
  await pullImage(lab.images, lab.client, lab.reference('shared:base'));
  lab.proxy.reset();
  await pullImage(lab.images, lab.client, lab.reference('shared:above'));
  // A configuration and one layer.
  expect(lab.proxy.matching(/^GET .*\/blobs\//)).toHaveLength(2);
  lab.proxy.reset();
  await pullImage(lab.images, lab.client, lab.reference('shared:above'));
  expect(lab.proxy.seen.map(({ method, path }) => `${method} ${path}`)).toEqual(['HEAD /v2/shared/manifests/above']);
  lab.proxy.reset();
  await pullImage(lab.images, lab.client, lab.reference('shared:above'), { policy: 'missing' });
  expect(lab.proxy.seen).toEqual([]);
  expect(lab.images.layers.added).toHaveLength(2);
});

test('chooses the platform, keeps the index, and can bring all of it', async () => {
  const [here, there] = [
    testImage([layerOf({ where: 'here' })], { architecture: HOST.slice(6) }),
    testImage([layerOf({ where: 'there' })], { architecture: OTHER.slice(6) }),
  ];
  const index = testIndex({ [OTHER]: there, [HOST]: here });
  const name = lab.reference('many:1');
  await publish(lab.client, name, here, false);
  await publish(lab.client, name, there, false);
  await lab.client.putManifest(name, index.bytes);

  const pulled = await pullImage(lab.images, lab.client, name);
  expect(pulled.record).toMatchObject({
    target: { digest: index.descriptor.digest },
    manifest: { digest: here.manifest.digest },
  });
  expect(await lab.images.content.has(there.manifest.digest)).toBe(false);

  const other = await pullImage(lab.images, lab.client, name, { platform: parsePlatform(OTHER) });
  expect(other.config.platform.architecture).toBe(OTHER.slice(6));
  expect(await lab.images.layers.has(there.diffIds[0]!)).toBe(true);

  using elsewhere = makeScratch('pull-all');
  using all = openTestImages(elsewhere.path);
  await pullImage(all, lab.client, name, { platform: 'all' });
  for (const digest of [...here.blobs.keys(), ...there.blobs.keys()]) expect(await all.content.has(digest)).toBe(true);
  expect(await all.layers.has(there.diffIds[0]!)).toBe(false);

  const missing = await rejection(pullImage(lab.images, lab.client, name, { platform: parsePlatform('linux/s390x') }));
  expect(missing).toMatchObject({ code: 'ERR_PLATFORM_NOT_FOUND' });
});

test('an image without an index must run here, too, unless it was asked for', async () => {
  const image = testImage([layerOf({ where: 'there' })], { architecture: OTHER.slice(6) });
  await publish(lab.client, lab.reference('single:1'), image);
  expect(await rejection(pullImage(lab.images, lab.client, lab.reference('single:1')))).toMatchObject({
    code: 'ERR_PLATFORM_NOT_FOUND',
  });
  expect(await lab.images.content.has(image.layers[0]!.digest)).toBe(false);
  await pullImage(lab.images, lab.client, lab.reference('single:1'), { platform: parsePlatform(OTHER) });
});

test('all of a sparse index is what the registry has of it', async () => {
  const [here, there, gone] = [HOST, OTHER, 'linux/s390x'].map((platform) =>
    testImage([layerOf({ where: `sparse ${platform}` })], { architecture: platform.slice(6) }),
  ) as [TestImage, TestImage, TestImage];
  const name = lab.reference('sparse:1');
  for (const image of [here, there, gone]) await publish(lab.client, name, image, false);
  await lab.client.putManifest(name, testIndex({ 'linux/s390x': gone, [HOST]: here, [OTHER]: there }).bytes);
  const missing = new RegExp(`^GET .*/manifests/${gone.manifest.digest}`);
  lab.proxy.always(missing, { kind: 'answer', status: 404 });
  await pullImage(lab.images, lab.client, name, { platform: 'all' });
  for (const digest of [...here.blobs.keys(), ...there.blobs.keys()])
    expect(await lab.images.content.has(digest)).toBe(true);
  expect(await lab.images.content.has(gone.manifest.digest)).toBe(false);

  lab.proxy.reset();
  lab.proxy.always(missing, { kind: 'answer', status: 403 });
  const refused = pullImage(lab.images, lab.client, name, { platform: 'all' });
  expect(await rejection(refused)).toMatchObject({ code: 'ERR_UNAUTHORIZED' });

  lab.proxy.always(new RegExp(here.manifest.digest), { kind: 'answer', status: 404 });
  using elsewhere = makeScratch('pull-sparse');
  using empty = openTestImages(elsewhere.path);
  const chosen = pullImage(empty, lab.client, name, { platform: 'all' });
  expect(await rejection(chosen)).toMatchObject({ code: 'ERR_IMAGE_NOT_FOUND' });
});

test('an index says more of the platform than a configuration without variant', async () => {
  const old = testImage([layerOf({ where: 'on a Raspberry Pi' })], { architecture: 'arm' });
  const name = lab.reference('variants:1');
  await publish(lab.client, name, old, false);
  await lab.client.putManifest(name, testIndex({ 'linux/arm/v6': old }).bytes);
  const platform = parsePlatform('linux/arm/v6');
  const pulled = await pullImage(lab.images, lab.client, name, { platform });
  expect(pulled.record.manifest.digest).toBe(old.manifest.digest);
  lab.proxy.reset();
  await pullImage(lab.images, lab.client, name, { platform, policy: 'missing' });
  expect(lab.proxy.seen).toEqual([]);

  const without = lab.reference('variants:2');
  const { digest, size, mediaType } = old.manifest;
  await lab.client.putManifest(without, indexBytes([makeDescriptor({ digest, size, mediaType })]));
  expect(await rejection(pullImage(lab.images, lab.client, without, { platform }))).toMatchObject({
    code: 'ERR_PLATFORM_NOT_FOUND',
  });
});

test('ten pulls at once, in two stores of one directory, download everything once', async () => {
  const image = twoLayers();
  await publish(lab.client, lab.reference('crowd:1'), image);
  using other = openTestImages(lab.root);
  lab.proxy.reset();
  const pulls = Array.from({ length: 10 }, (_, index) =>
    pullImage(index % 2 === 0 ? lab.images : other, lab.client, lab.reference('crowd:1')),
  );
  await Promise.all(pulls);
  expect(lab.proxy.matching(/^GET .*\/blobs\//)).toHaveLength(3);
  expect([...lab.images.layers.added, ...other.layers.added].toSorted()).toEqual(image.diffIds.toSorted());
  await lab.expectSound();
});

test('a layer that is unpacked gets its blob back, unless that is not wanted', async () => {
  const image = twoLayers();
  await publish(lab.client, lab.reference('lazy:1'), image);
  await pullImage(lab.images, lab.client, lab.reference('lazy:1'));
  const { digest } = image.layers[1]!;
  const lose = async (): Promise<void> => {
    await lab.images.content.collect((each) => each !== digest);
    expect(await lab.images.content.has(digest)).toBe(false);
  };
  await lose();
  await pullImage(lab.images, lab.client, lab.reference('lazy:1'), { skipUnpacked: true });
  expect(await lab.images.content.has(digest)).toBe(false);
  await pullImage(lab.images, lab.client, lab.reference('lazy:1'));
  expect(await lab.images.content.has(digest)).toBe(true);
  expect(lab.images.layers.added).toHaveLength(2);
});

test('an image that is not there is an error, and changes nothing', async () => {
  expect(await rejection(pullImage(lab.images, lab.client, lab.reference('nothing:1')))).toMatchObject({
    code: 'ERR_IMAGE_NOT_FOUND',
  });
  expect(await lab.images.names.list()).toEqual([]);
});
