import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeDescriptor } from '../../../../lib/image/descriptor.js';
import { fetchBlob } from '../../../../lib/image/fetch-blob.js';
import { MEDIA_TYPE } from '../../../../lib/image/media-types.js';
import { pullImage } from '../../../../lib/image/pull.js';
import { sha256 } from '../../../support/content.js';
import { ImageLab } from '../../../support/image-lab.js';
import { noise } from '../../../support/noise.js';
import { rejection } from '../../../support/rejection.js';
import { layerOf, publish, testImage } from '../../../support/test-image.js';

const lab = new ImageLab();

test('a pull that is aborted leaves what is complete, and the next goes on from there', async () => {
  const image = testImage([layerOf({ big: noise(1, 3_000_000) })], {
    pack: (bytes) => ({ bytes, mediaType: MEDIA_TYPE.ociLayer }),
  });
  await publish(lab.client, lab.reference('abort:1'), image);
  lab.proxy.reset();
  // Slow enough that there is an end to come before.
  const layer = new RegExp(`^GET .*/blobs/${image.layers[0]!.digest}`);
  lab.proxy.next(layer, { kind: 'drip', bytes: 64 * 1024, everyMs: 20 });
  const abort = new AbortController();
  const pulling = pullImage(lab.images, lab.client, lab.reference('abort:1'), {
    signal: abort.signal,
    onProgress: ({ phase, bytes }) => {
      if (phase === 'downloading' && bytes > 1_000_000) abort.abort();
    },
  });
  expect(await rejection(pulling)).toMatchObject({ code: 'ERR_ABORTED' });
  expect(await lab.images.names.list()).toEqual([]);
  expect(lab.partials()).toHaveLength(1);
  await lab.expectSound();
  const [before] = lab.proxy.matching(/\/blobs\//).slice(-1);
  expect(before!.range).toBeUndefined();
  await pullImage(lab.images, lab.client, lab.reference('abort:1'));
  const [after] = lab.proxy.matching(/\/blobs\//).slice(-1);
  expect(after!.range).toMatch(/^bytes=[1-9]\d*-$/);
  expect(after!.sent).toBeLessThan(image.layers[0]!.size);
  await lab.expectSound();
});

test('what an earlier pull left counts from the start: progress does not go back', async () => {
  const bytes = noise(4, 900_000);
  const descriptor = makeDescriptor({ mediaType: MEDIA_TYPE.ociLayer, digest: sha256(bytes), size: bytes.length });
  using lease = lab.images.content.lease();
  {
    await using writer = await lease.writer(descriptor);
    await writer!.write(bytes.subarray(0, 600_000));
  }
  const source = {
    blob: async function* (_: unknown, { from }: { readonly from?: { readonly offset: number } } = {}) {
      yield bytes.subarray(from?.offset);
    },
    manifest: () => Promise.reject(new Error('not asked for')),
  };
  const counts: number[] = [];
  await fetchBlob(lease, source, descriptor, { onBytes: (count) => counts.push(count) });
  expect(counts).toEqual([600_000, 900_000]);
});

test('a damaged rest of an earlier pull is fetched again from the beginning', async () => {
  const image = testImage([layerOf({ big: noise(2, 900_000) })]);
  await publish(lab.client, lab.reference('rest:1'), image);
  const name = image.layers[0]!.digest.replace(':', '-');
  writeFileSync(join(lab.root, 'content/ingest', name), Buffer.alloc(5000, 1));
  await pullImage(lab.images, lab.client, lab.reference('rest:1'));
  expect(lab.partials()).toEqual([]);
  await lab.expectSound();
});

test('a blob that was damaged on disk is found out when it is unpacked, and fetched again', async () => {
  const image = testImage([layerOf({ big: noise(4, 900_000) })]);
  await publish(lab.client, lab.reference('heal:1'), image);
  await pullImage(lab.images, lab.client, lab.reference('heal:1'));
  await lab.images.layers.remove(image.diffIds[0]!);
  const path = join(lab.root, 'content/blobs', image.layers[0]!.digest.replace(':', '/'));
  const damaged = readFileSync(path);
  damaged[1000]! ^= 0xff;
  writeFileSync(path, damaged);
  expect(await lab.images.content.verify()).toHaveLength(1);
  await pullImage(lab.images, lab.client, lab.reference('heal:1'));
  expect(await lab.images.layers.has(image.diffIds[0]!)).toBe(true);
  await lab.expectSound();
});

test('connections that break are made again; bytes that are wrong are an error and are not kept', async () => {
  const image = testImage([layerOf({ big: noise(5, 3_000_000) })]);
  await publish(lab.client, lab.reference('faulty:1'), image);
  lab.proxy.reset();
  const blob = new RegExp(`GET .*${image.layers[0]!.digest}`);
  lab.proxy.next(blob, { kind: 'cut', after: 500_000 }, { kind: 'corrupt', at: 300_000 });
  const error = await rejection(pullImage(lab.images, lab.client, lab.reference('faulty:1')));
  expect(error).toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  expect(lab.partials()).toEqual([]);
  expect(lab.images.layers.added).toEqual([]);
  await lab.expectSound();
  await pullImage(lab.images, lab.client, lab.reference('faulty:1'));
  await lab.expectSound();
});

test.each([
  ['another archive than it promises', { diffIds: [`sha256:${'0'.repeat(64)}`] as const }, 'ERR_DIGEST_MISMATCH'],
  [
    'no archive at all',
    { pack: (bytes: Buffer) => ({ bytes: bytes.subarray(0, 700), mediaType: MEDIA_TYPE.ociLayer }) },
    'ERR_',
  ],
])('a layer that is %s is refused and leaves nothing', async (_, options, code) => {
  const image = testImage([layerOf({ file: noise(6, 100_000) })], options);
  const name = lab.reference(`liar:${image.manifest.digest.slice(7, 17)}`);
  await publish(lab.client, name, image);
  expect((await rejection(pullImage(lab.images, lab.client, name))).code).toContain(code);
  expect(lab.images.layers.added).toEqual([]);
  expect(await lab.images.names.list()).toEqual([]);
  await lab.expectSound();
});

test('a bomb is stopped at the limit', async () => {
  const image = testImage([layerOf({ zeros: Buffer.alloc(30_000_000) })]);
  await publish(lab.client, lab.reference('bomb:1'), image);
  const error = await rejection(
    pullImage(lab.images, lab.client, lab.reference('bomb:1'), { maxLayerBytes: 10_000_000 }),
  );
  expect(error).toMatchObject({ code: 'ERR_LAYER_INVALID', subject: image.diffIds[0] });
  expect(lab.images.layers.added).toEqual([]);
});
