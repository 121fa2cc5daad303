import { describe, test } from 'vitest';
import { MEDIA_TYPE } from '../../../../lib/image/media-types.js';
import { sha256 } from '../../../support/content.js';
import {
  changed,
  damaged,
  docker,
  good,
  HostileLab,
  INVALID,
  layout,
  LAYER,
  MISMATCH,
  other,
  without,
} from '../../../support/hostile-lab.js';
import { blobPath, jsonOf, layoutFiles, tarOf, type Files } from '../../../support/image-archives.js';
import { noise } from '../../../support/noise.js';
import { archive, file } from '../../../support/tar.js';
import { layerOf, testImage, type TestImage } from '../../../support/test-image.js';

const lab = new HostileLab();
const [config, manifest, lastLayer] = [good.config, good.manifest, good.layers[1]!].map(({ digest }) =>
  blobPath(digest),
);
const index = (manifests: object[]): Buffer => jsonOf({ schemaVersion: 2, manifests });
const named = { mediaType: good.manifest.mediaType, digest: good.manifest.digest, size: good.manifest.size };

describe('what is missing, wrong or too much in a layout', () => {
  test.each<[string, () => Files, string, string]>([
    ['no marker', () => without(layout(), 'oci-layout'), INVALID, 'got neither'],
    ['no index', () => without(layout(), 'index.json'), INVALID, 'got neither'],
    ['no manifest', () => without(layout(), manifest!), INVALID, 'is missing'],
    ['no configuration', () => without(layout(), config!), INVALID, 'is missing'],
    ['no layer', () => without(layout(), lastLayer!), INVALID, 'is missing'],
    ['a damaged manifest', () => damaged(layout(), manifest!), MISMATCH, 'has the digest'],
    ['a damaged configuration', () => damaged(layout(), config!), MISMATCH, 'digest is'],
    ['a damaged layer', () => damaged(layout(), lastLayer!), MISMATCH, 'digest is'],
    [
      'a longer layer',
      () => changed(layout(), lastLayer!, Buffer.concat([layout()[lastLayer!]!, Buffer.alloc(1)])),
      MISMATCH,
      'bytes instead of',
    ],
    [
      'a shorter layer',
      () => changed(layout(), lastLayer!, layout()[lastLayer!]!.subarray(1)),
      MISMATCH,
      'bytes instead of',
    ],
    [
      'another size in the index',
      () => changed(layout(), 'index.json', index([{ ...named, size: 5 }])),
      MISMATCH,
      'bytes instead of',
    ],
    [
      'another type in the index',
      () => changed(layout(), 'index.json', index([{ ...named, mediaType: MEDIA_TYPE.dockerManifest }])),
      INVALID,
      'as it was announced',
    ],
    [
      'a huge index',
      () => changed(layout(), 'index.json', Buffer.alloc(5 * 2 ** 20, ' ')),
      INVALID,
      'at most 4194304 are read',
    ],
    ['a huge marker', () => changed(layout(), 'oci-layout', Buffer.alloc(5000, ' ')), INVALID, 'at most 4096 bytes'],
    ['a name that is none', () => layoutFiles({ 'A B': good }), INVALID, 'it names an image'],
    [
      'a name by another digest',
      () => layoutFiles({ [`app@sha256:${'0'.repeat(64)}`]: good }),
      INVALID,
      'that has the digest',
    ],
    [
      'a second image that is damaged',
      () => damaged(layoutFiles({ 'app:1': other, 'app:2': good }), lastLayer!),
      MISMATCH,
      'digest is',
    ],
    [
      'a manifest that says it is huge',
      () => changed(layout(), 'index.json', index([{ ...named, size: 2 ** 40 }])),
      MISMATCH,
      'bytes instead of',
    ],
  ])('%s', async (_, make, code, message) => {
    await lab.refusesBytes(tarOf(make()), code, message);
  });

  test('indexes inside each other without end', async () => {
    const files = layout();
    let inner: { mediaType: string; digest: string; size: number } = named;
    for (let depth = 0; depth < 8; depth++) {
      const bytes = jsonOf({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [inner] });
      files[blobPath(sha256(bytes))] = bytes;
      inner = { mediaType: MEDIA_TYPE.ociIndex, digest: sha256(bytes), size: bytes.length };
    }
    await lab.refusesBytes(tarOf({ ...files, 'index.json': index([inner]) }), INVALID, 'indexes inside each other');
  });
});

describe('layers that are not what they should be', () => {
  const bad = (layer: Buffer, options = {}): TestImage => testImage([layerOf({ fine: 'x' }), layer], options);
  const lie = sha256('another archive');
  test.each<[string, TestImage, string]>([
    ['a name outside', bad(archive(file('../../../var/tmp/evil', 'x'))), LAYER],
    ['cut off', bad(archive(file('a', noise(2, 5000))).subarray(0, 3000)), LAYER],
    [
      'another archive than promised',
      bad(layerOf({ a: 'x' }), { diffIds: [sha256(layerOf({ fine: 'x' })), lie] }),
      MISMATCH,
    ],
    ['fewer than promised', bad(layerOf({ a: 'x' }), { diffIds: [sha256(layerOf({ fine: 'x' }))] }), INVALID],
    ['no archive', bad(noise(3, 10_240)), LAYER],
    [
      'of another kind',
      bad(layerOf({ a: 'x' }), { pack: (bytes: Buffer) => ({ bytes, mediaType: 'application/zip' }) }),
      INVALID,
    ],
  ])('%s', async (_, image, code) => {
    await lab.refusesBytes(tarOf(layout(image)), code);
    if (code !== INVALID) await lab.refusesBytes(tarOf(docker(image)), code);
  });
});
