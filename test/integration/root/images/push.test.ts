import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parsePlatform } from '../../../../lib/image/platform.js';
import type { ImageProgress } from '../../../../lib/image/progress.js';
import { pullImage } from '../../../../lib/image/pull.js';
import { pushImage } from '../../../../lib/image/push.js';
import { parseReference } from '../../../../lib/image/reference.js';
import { ImageLab } from '../../../support/image-lab.js';
import { openTestImages } from '../../../support/images.js';
import { noise } from '../../../support/noise.js';
import { rejection } from '../../../support/rejection.js';
import { makeScratch } from '../../../support/scratch.js';
import { skopeo } from '../../../support/skopeo.js';
import { layerOf, publish, testImage, testIndex } from '../../../support/test-image.js';

const HOST = process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64';
const OTHER = process.arch === 'arm64' ? 'linux/amd64' : 'linux/arm64';

const lab = new ImageLab();

/** Pulls an image by one name, and gives it another one. */
async function pullAs(from: string, to: string, platform?: string): Promise<string> {
  const { record } = await pullImage(lab.images, lab.client, lab.reference(from), {
    ...(platform === undefined ? {} : { platform: platform === 'all' ? 'all' : parsePlatform(platform) }),
  });
  const reference = lab.reference(to).toString();
  await lab.images.names.put({ ...record, reference });
  return reference;
}

const push = (name: string, options = {}) =>
  pushImage(lab.images, lab.client, lab.reference(name).toString(), lab.reference(name), options);

test('links what another repository has, and sends nothing that is there', async () => {
  const image = testImage([layerOf({ a: noise(1, 300_000) }), layerOf({ b: 'small' })]);
  await publish(lab.client, lab.reference('push/base:1'), image);
  await pullAs('push/base:1', 'push/copy:1');
  const progress: ImageProgress[] = [];
  lab.proxy.reset();
  const root = await push('push/copy:1', { onProgress: (each: ImageProgress) => progress.push(each) });
  expect(root).toEqual(image.manifest);
  expect(lab.proxy.matching(/^POST .*mount=.*from=push%2Fbase/)).toHaveLength(3);
  expect(lab.proxy.matching(/^(?:PATCH|PUT) .*\/blobs\//)).toEqual([]);
  expect(progress.at(-1)).toMatchObject({ overall: { layersDone: 2, layers: 2 } });

  lab.proxy.reset();
  await push('push/copy:1');
  expect(lab.proxy.matching(/^POST/)).toEqual([]);
  const inspected = await skopeo('inspect', '--tls-verify=false', `docker://${lab.registry.host}/push/copy:1`);
  expect((JSON.parse(inspected) as { Digest: string }).Digest).toBe(image.manifest.digest);
});

test('what is pushed is pulled elsewhere, by others too', async () => {
  const image = testImage([layerOf({ big: noise(2, 2_000_000) })]);
  using source = makeScratch('push-source');
  using first = openTestImages(source.path);
  // Another registry to all appearance: nothing can be linked.
  const origin = parseReference(`${lab.registry.host}/push/origin:1`);
  await publish(lab.client, origin, image);
  const { record } = await pullImage(first, lab.client, origin);
  const target = lab.reference('elsewhere/app:2');
  const phases = new Set<string>();
  await pushImage(first, lab.client, record.reference, target, { onProgress: ({ phase }) => phases.add(phase) });
  expect([...phases]).toEqual(['waiting', 'uploading', 'done']);
  const pulled = await pullImage(lab.images, lab.client, target);
  expect(pulled.record.target).toEqual(image.manifest);
  const file = join(lab.images.layers.path(image.diffIds[0]!), 'big');
  expect(readFileSync(file).equals(noise(2, 2_000_000))).toBe(true);
  const layout = join(source.path, 'layout');
  mkdirSync(layout);
  await skopeo('copy', '--src-tls-verify=false', `docker://${lab.registry.host}/elsewhere/app:2`, `dir:${layout}`);
  expect(readFileSync(join(layout, image.layers[0]!.digest.slice(7))).length).toBe(image.layers[0]!.size);
});

test('an index goes as a whole, shortened, or as the one image that is here', async () => {
  const [here, there, third] = [HOST, OTHER, 'linux/riscv64'].map((platform) =>
    testImage([layerOf({ where: platform })], { architecture: platform.slice(6) }),
  );
  const index = testIndex({ [HOST]: here!, [OTHER]: there!, 'linux/riscv64': third! });
  const name = lab.reference('index/full:1');
  for (const image of [here!, there!, third!]) await publish(lab.client, name, image, false);
  await lab.client.putManifest(name, index.bytes);

  await pullAs('index/full:1', 'index/one:1');
  expect((await push('index/one:1')).digest).toBe(here!.manifest.digest);

  await pullAs('index/full:1', 'index/two:1', OTHER);
  const two = await push('index/two:1');
  const raw = await skopeo('inspect', '--raw', '--tls-verify=false', `docker://${lab.registry.host}/index/two:1`);
  const { manifests } = JSON.parse(raw) as { manifests: { digest: string; platform: object }[] };
  const digests = manifests.map(({ digest }) => digest);
  expect(digests.toSorted()).toEqual([here!.manifest.digest, there!.manifest.digest].toSorted());
  expect(two.digest).not.toBe(index.descriptor.digest);

  await pullAs('index/full:1', 'index/all:1', 'all');
  expect((await push('index/all:1')).digest).toBe(index.descriptor.digest);
  const one = await push('index/all:1', { platform: parsePlatform('linux/riscv64') });
  expect(one.digest).toBe(third!.manifest.digest);
});

test('an image whose layers are not all here is not pushed', async () => {
  const image = testImage([layerOf({ lost: 'x' })]);
  await publish(lab.client, lab.reference('push/lost:1'), image);
  await pullAs('push/lost:1', 'push/lost:2');
  await lab.images.content.collect((digest) => digest !== image.layers[0]!.digest);
  lab.proxy.reset();
  expect(await rejection(push('push/lost:2'))).toMatchObject({ code: 'ERR_NOT_FOUND' });
  expect(lab.proxy.seen).toEqual([]);
});

test('an upload that is cut goes on; a push that is aborted ends', async () => {
  const image = testImage([layerOf({ big: noise(3, 3_000_000) })]);
  using source = makeScratch('push-cut');
  using first = openTestImages(source.path);
  const origin = parseReference(`${lab.registry.host}/push/cut:1`);
  await publish(lab.client, origin, image);
  const { record } = await pullImage(first, lab.client, origin);
  lab.proxy.next(/^PUT .*\/blobs\/uploads/, { kind: 'cut-request', after: 500_000 });
  await pushImage(first, lab.client, record.reference, lab.reference('cut/app:1'));
  expect(lab.proxy.matching(/^(?:PUT|PATCH) .*\/blobs\/uploads/).length).toBeGreaterThan(2);
  expect((await pullImage(lab.images, lab.client, lab.reference('cut/app:1'))).record.target).toEqual(image.manifest);

  const abort = new AbortController();
  lab.proxy.always(/^POST .*aborted/, { kind: 'hang' });
  const target = lab.reference('aborted/app:1');
  const pushing = rejection(pushImage(first, lab.client, record.reference, target, { signal: abort.signal }));
  setTimeout(() => abort.abort(), 100);
  expect(await pushing).toMatchObject({ code: 'ERR_ABORTED' });
});

test('a name that is not here is an error', async () => {
  expect(await rejection(push('push/none:1'))).toMatchObject({ code: 'ERR_IMAGE_NOT_FOUND' });
});
