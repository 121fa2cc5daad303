import { afterAll, expect, test } from 'vitest';
import { MEDIA_TYPE } from '../../../../lib/image/media-types.js';
import { Host, Image } from '../../../../lib/index.js';
import { sha256 } from '../../../support/content.js';
import { blobPath, edited, jsonOf, layoutFiles, tarOf, type Files } from '../../../support/image-archives.js';
import { rejection } from '../../../support/rejection.js';
import { makeScratch } from '../../../support/scratch.js';
import { layerOf, testImage } from '../../../support/test-image.js';

const scratch = makeScratch('layout-artifacts');
const host = new Host({ root: scratch.path, stateDir: `${scratch.path}/state`, storage: 'overlay' });
const image = testImage([layerOf({ file: 'x' })]);

afterAll(async () => {
  await host.close();
  scratch[Symbol.dispose]();
});

function add(files: Files, bytes: Buffer, mediaType: string) {
  const digest = sha256(bytes);
  files[blobPath(digest)] = bytes;
  return { mediaType, digest, size: bytes.length };
}

/** A layout with a manifest of this configuration and this layer, beside what is there. */
function withManifest(files: Files, config: [Buffer, type: string], layerType: string, more: object = {}): Files {
  const document = {
    schemaVersion: 2,
    config: add(files, ...config),
    layers: [add(files, Buffer.from('signature'), layerType)],
    ...more,
  };
  const descriptor = add(files, jsonOf(document), MEDIA_TYPE.ociManifest);
  files['index.json'] = edited(files['index.json']!, (index: { manifests: object[] }) => ({
    ...index,
    manifests: [...index.manifests, descriptor],
  }));
  return files;
}

const emptyConfig: [Buffer, string] = [Buffer.from('{}'), MEDIA_TYPE.ociEmpty];
const imageConfig: [Buffer, string] = [
  jsonOf({ os: '', architecture: '', rootfs: { type: 'layers', diff_ids: [sha256(Buffer.from('signature'))] } }),
  MEDIA_TYPE.ociConfig,
];
const SIGNATURE = 'application/vnd.dev.cosign.simplesigning.v1+json';

const load = (files: Files): Promise<Image[]> =>
  Image.load(
    (async function* () {
      yield tarOf(files);
    })(),
    { host },
  );

test.each([
  ['that say what they are', emptyConfig, 'text/plain', { artifactType: 'application/vnd.example.sbom' }],
  ['that look like images', imageConfig, SIGNATURE, {}],
] as const)('artifacts %s are passed over beside an image', async (_, config, type, more) => {
  const loaded = await load(withManifest(layoutFiles({ 'registry.example/app:1': image }), [...config], type, more));
  expect(loaded.map(String)).toEqual(['registry.example/app:1']);
});

test('an artifact alone is no image, and an image that cannot be read is no artifact', async () => {
  expect(await rejection(load(withManifest(layoutFiles({}), emptyConfig, 'text/plain')))).toMatchObject({
    code: 'ERR_IMAGE_INVALID',
    message: expect.stringContaining('expected an image, got an artifact') as string,
  });
  const encrypted = withManifest(
    layoutFiles({ 'registry.example/app:1': image }),
    imageConfig,
    `${MEDIA_TYPE.ociLayerGzip}+encrypted`,
  );
  expect(await rejection(load(encrypted))).toMatchObject({
    code: 'ERR_IMAGE_INVALID',
    hint: expect.stringContaining('encrypted') as string,
  });
});
