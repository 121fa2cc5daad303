import { describe, expect, test } from 'vitest';
import { CloisterError } from '../../../lib/errors.js';
import { chooseManifest, type NamedManifest } from '../../../lib/image/manifest-choice.js';
import { checkIsImage, parseManifest, type ImageManifest } from '../../../lib/image/manifest.js';
import { layerCompression, MEDIA_TYPE } from '../../../lib/image/media-types.js';
import { parsePlatform } from '../../../lib/image/platform.js';
import { rejection } from '../../support/rejection.js';

const digest = (name: string): string => `sha256:${name.repeat(64)}`;
const config = { mediaType: MEDIA_TYPE.ociConfig, digest: digest('c'), size: 10 };
const layer = { mediaType: MEDIA_TYPE.ociLayerGzip, digest: digest('1'), size: 20 };
const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers: [layer] };
const entry = { mediaType: MEDIA_TYPE.ociManifest, digest: digest('a'), size: 5 };
const index = {
  schemaVersion: 2,
  mediaType: MEDIA_TYPE.ociIndex,
  manifests: [{ ...entry, platform: { os: 'linux', architecture: 'arm', variant: '7', 'os.version': '1' } }],
};

const parse = (document: unknown, announced?: string) =>
  parseManifest(new TextEncoder().encode(JSON.stringify(document)), announced, 'app:1');

describe('documents that are read', () => {
  test('an OCI manifest', () => {
    const found = parse({ ...manifest, annotations: { a: 'b' }, subject: entry }, MEDIA_TYPE.ociManifest);
    expect(found).toMatchObject({
      kind: 'manifest',
      mediaType: MEDIA_TYPE.ociManifest,
      config: { digest: digest('c'), size: 10 },
      layers: [{ digest: digest('1'), size: 20 }],
      annotations: { a: 'b' },
      subject: { digest: digest('a') },
    });
    expect(Object.isFrozen(found) && Object.isFrozen((found as ImageManifest).layers[0])).toBe(true);
  });

  test('an OCI index', () => {
    expect(parse(index)).toMatchObject({
      kind: 'index',
      manifests: [{ platform: { os: 'linux', architecture: 'arm', variant: 'v7', osVersion: '1' } }],
    });
  });

  test.each([
    ['a manifest of schema 2', { ...manifest, mediaType: MEDIA_TYPE.dockerManifest }, 'manifest'],
    ['a manifest list', { ...index, mediaType: MEDIA_TYPE.dockerManifestList }, 'index'],
    ['OCI documents without media type', { ...manifest, mediaType: undefined }, 'manifest'],
    ['an index without media type', { ...index, mediaType: undefined }, 'index'],
    ['empty fields that are null', { ...manifest, layers: null, annotations: null, subject: null }, 'manifest'],
  ])('%s', (_, document, kind) => {
    expect(parse(document).kind).toBe(kind);
  });

  test('hostile names are only names', () => {
    const text = JSON.stringify(manifest).replace('"schemaVersion"', '"annotations":{"__proto__":"x"},"schemaVersion"');
    const { annotations } = parseManifest(new TextEncoder().encode(text), undefined);
    expect([Object.keys(annotations), Object.getPrototypeOf(annotations)]).toEqual([['__proto__'], Object.prototype]);
  });
});

describe('documents that are refused', () => {
  test.each<[string, unknown, string | undefined, string]>([
    ['both kinds in one', { ...manifest, manifests: [] }, undefined, "either 'manifests' or 'config' and 'layers'"],
    ['a config in an index', { ...index, config }, undefined, "either 'manifests' or 'config' and 'layers'"],
    ['announced otherwise', manifest, MEDIA_TYPE.ociIndex, 'as it was announced'],
    ['announced as index, silent', { ...manifest, mediaType: undefined }, MEDIA_TYPE.ociIndex, 'the content of'],
    ['a type that its content is not', { ...index, mediaType: MEDIA_TYPE.ociManifest }, undefined, 'the content of'],
    ['another type', { ...manifest, mediaType: 'text/html' }, undefined, 'a manifest or an index'],
    ['a type that is none', { ...manifest, mediaType: 'x' }, undefined, 'app:1.mediaType: expected a media type'],
    ['schema 1', { schemaVersion: 1, fsLayers: [], history: [] }, undefined, 'schema 1'],
    ['schema 1 by its layers', { ...manifest, fsLayers: [] }, undefined, 'schema 1'],
    ['signed schema 1', {}, 'application/vnd.docker.distribution.manifest.v1+prettyjws', 'schema 1'],
    ['schema 3', { ...manifest, schemaVersion: 3 }, undefined, 'app:1.schemaVersion: expected 2, got 3'],
    ['two spellings', { ...manifest, Layers: [] }, undefined, "app:1.Layers: expected the spelling 'layers'"],
    ['a size that is a text', { ...manifest, config: { ...config, size: '10' } }, undefined, 'app:1.config.size'],
    ['a negative size', { ...manifest, layers: [{ ...layer, size: -1 }] }, undefined, 'app:1.layers[0].size'],
    ['half a byte', { ...manifest, layers: [{ ...layer, size: 0.5 }] }, undefined, 'app:1.layers[0].size'],
    ['a size that is no exact number', { ...manifest, config: { ...config, size: 2 ** 53 } }, undefined, 'config.size'],
    ['no digest', { ...manifest, config: { ...config, digest: undefined } }, undefined, 'app:1.config.digest'],
    ['a digest that is a path', { ...manifest, config: { ...config, digest: 'sha256:../x' } }, undefined, 'digest'],
    ['no config', { ...manifest, config: undefined }, undefined, 'app:1.config: expected an object'],
    ['layers that are an object', { ...manifest, layers: { length: 1 } }, undefined, 'app:1.layers: expected an array'],
    ['too many layers', { ...manifest, layers: Array(1025).fill(layer) }, undefined, 'an array of at most 1024'],
    ['a list', [manifest], undefined, 'app:1: expected an object, got an array'],
    ['a platform without os', { ...index, manifests: [{ ...entry, platform: {} }] }, undefined, 'platform.os'],
    ['annotations that are numbers', { ...manifest, annotations: { a: 1 } }, undefined, 'app:1.annotations.a'],
  ])('%s', (_, document, announced, problem) => {
    const refusal = (): unknown => parse(document, announced);
    expect(refusal).toThrow(problem);
    expect(refusal).toThrow(expect.objectContaining({ code: 'ERR_IMAGE_INVALID' }));
  });

  test.each([
    ['no JSON', '{'],
    ['a byte order mark', `\uFEFF${JSON.stringify(manifest)}`],
    ['more than four megabytes', JSON.stringify({ ...manifest, x: ' '.repeat(4 * 2 ** 20) })],
    ['a deep one', '['.repeat(100_000)],
  ])('%s', (_, text) => {
    expect(() => parseManifest(new TextEncoder().encode(text), undefined)).toThrow(CloisterError);
  });

  test('bytes that are no UTF-8', () => {
    expect(() => parseManifest(Uint8Array.of(0x22, 0xff, 0x22), undefined)).toThrow('no JSON in UTF-8');
  });
});

describe('images and other artifacts', () => {
  test.each([
    [MEDIA_TYPE.ociLayer, 'none'],
    [MEDIA_TYPE.ociLayerGzip, 'gzip'],
    [MEDIA_TYPE.ociLayerZstd, 'zstd'],
    [MEDIA_TYPE.dockerLayer, 'none'],
    [MEDIA_TYPE.dockerLayerGzip, 'gzip'],
    ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'gzip'],
    ['application/vnd.oci.image.layer.nondistributable.v1.tar+zstd', 'zstd'],
    ['application/vnd.oci.image.layer.v1.tar+gzip+encrypted', undefined],
    ['toString', undefined],
  ])('%s is packed with %s', (mediaType, compression) => {
    expect(layerCompression(mediaType)).toBe(compression);
  });

  test('an image is one', () => {
    checkIsImage(parse(manifest) as ImageManifest);
  });

  test.each([
    ['a chart', { ...manifest, config: { ...config, mediaType: 'application/vnd.cncf.helm.config.v1+json' } }, 'helm'],
    ['encrypted layers', { ...manifest, layers: [{ ...layer, mediaType: 'a/b+encrypted' }] }, 'decrypt it first'],
    ['an attestation', { ...manifest, layers: [{ ...layer, mediaType: 'application/vnd.in-toto+json' }] }, 'in-toto'],
  ])('%s is none', (_, document, problem) => {
    expect(() => checkIsImage(parse(document) as ImageManifest)).toThrow(problem);
  });
});

describe('from a name to one image', () => {
  const named = (document: unknown): NamedManifest => ({
    descriptor: { ...entry, platform: undefined, artifactType: undefined, annotations: {} } as never,
    manifest: parse(document),
  });
  const nested = { ...index, manifests: [{ ...entry, mediaType: MEDIA_TYPE.ociIndex }] };

  test('through an index of indexes', async () => {
    const documents = [named(index), named(manifest)];
    const read = async (): Promise<NamedManifest> => documents.shift()!;
    const found = await chooseManifest(named(nested), parsePlatform('linux/arm64'), read, 'app:1');
    expect(found.manifest.layers).toHaveLength(1);
  });

  test('not without end', async () => {
    let reads = 0;
    const read = async (): Promise<NamedManifest> => {
      reads++;
      return named(nested);
    };
    const error = await rejection(chooseManifest(named(nested), parsePlatform('linux/arm64'), read, 'app:1'));
    expect([error.code, error.message]).toEqual(['ERR_IMAGE_INVALID', 'app:1: more than 4 indexes inside each other']);
    expect(reads).toBeLessThan(10);
  });
});
