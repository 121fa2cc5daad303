import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MEDIA_TYPE } from '../../../../lib/image/media-types.js';
import { parseReference, withDigest, withTag, type Reference } from '../../../../lib/image/reference.js';
import { RegistryClient } from '../../../../lib/image/registry/client.js';
import { sha256 } from '../../../support/content.js';
import { startRegistry, type TestRegistry } from '../../../support/registry.js';
import { rejection } from '../../../support/rejection.js';
import { blob, push, sampleImage, sourceOf } from '../../../support/sample-image.js';

let registry: TestRegistry;
let client: RegistryClient;

beforeAll(async () => {
  registry = await startRegistry();
  client = new RegistryClient({ useCredentialFiles: false, retryDelayMs: 1 });
});

afterAll(async () => {
  await client.close();
  await registry[Symbol.asyncDispose]();
});

const name = (rest: string): Reference => parseReference(`${registry.host}/${rest}`);

describe('lists', () => {
  test('tags, in a registry that gives them page by page or not', async () => {
    for (const tag of ['b', 'a', '1.0']) await push(client, withTag(name('tagged'), tag), sampleImage([5]));
    expect([...(await client.tags(name('tagged')))].sort()).toEqual(['1.0', 'a', 'b']);
  });

  test('repositories', async () => {
    await push(client, name('in/catalog:1'), sampleImage([5]));
    expect(await client.catalog(registry.host)).toContain('in/catalog');
  });
});

describe('referrers, in a registry that keeps no list of them', () => {
  const empty = blob(Buffer.from('{}'), MEDIA_TYPE.ociEmpty);
  const referrer = (subject: object, artifactType: string): Uint8Array =>
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.ociManifest,
        artifactType,
        config: { mediaType: empty.descriptor.mediaType, digest: empty.descriptor.digest, size: 2 },
        layers: [],
        subject,
        annotations: { of: artifactType },
      }),
    );

  test('are listed, filtered and forgotten', async () => {
    const image = sampleImage([5]);
    await push(client, name('signed:1'), image);
    await client.uploadBlob(name('signed'), empty.descriptor, sourceOf(empty.bytes));
    const { mediaType, digest, size } = image.manifest.descriptor;
    expect(await client.referrers(name('signed'), digest)).toEqual([]);
    const documents = ['a/signature', 'a/sbom'].map((type) => referrer({ mediaType, digest, size }, type));
    for (const bytes of [...documents, documents[0]!])
      await client.putManifest(withDigest(name('signed'), sha256(bytes)), bytes);
    const all = await client.referrers(name('signed'), digest);
    expect(all.map(({ artifactType, annotations }) => [artifactType, annotations['of']])).toEqual([
      ['a/signature', 'a/signature'],
      ['a/sbom', 'a/sbom'],
    ]);
    const [only] = await client.referrers(name('signed'), digest, { artifactType: 'a/sbom' });
    expect(only?.digest).toBe(sha256(documents[1]!));
    await client.deleteManifest(withDigest(name('signed'), sha256(documents[1]!)));
    expect((await client.referrers(name('signed'), digest)).map(({ artifactType }) => artifactType)).toEqual([
      'a/signature',
    ]);
  });
});

describe('deleting', () => {
  test('a manifest and a blob', async () => {
    const image = sampleImage([5]);
    await push(client, name('gone:1'), image);
    await client.deleteManifest(withDigest(name('gone'), image.manifest.descriptor.digest));
    expect((await rejection(client.resolve(name('gone:1')))).code).toBe('ERR_IMAGE_NOT_FOUND');
    const { descriptor } = image.layers[0]!;
    await client.deleteBlob(name('gone'), descriptor.digest);
    expect(await client.hasBlob(name('gone'), descriptor)).toBe(false);
    expect((await rejection(client.deleteBlob(name('gone'), descriptor.digest))).code).toBe('ERR_IMAGE_NOT_FOUND');
  });

  test('a tag, which this registry cannot', async () => {
    await push(client, name('gone:2'), sampleImage([5]));
    const error = await rejection(client.deleteManifest(name('gone:2')));
    expect([error.code, error.message]).toEqual(['ERR_REGISTRY', expect.stringMatching(/answered with status 40[05]/)]);
  });
});

test('a manifest that is no image is refused before it is sent', async () => {
  const error = await rejection(client.putManifest(name('bad:1'), Buffer.from('{"schemaVersion":1}')));
  expect([error.code, error.message]).toEqual(['ERR_IMAGE_INVALID', expect.stringContaining('schema 1')]);
});

test('a closed client ends what is under way and starts nothing', async () => {
  const closing = new RegistryClient({ useCredentialFiles: false });
  const { descriptor, bytes } = blob(Buffer.alloc(5_000_000));
  await client.uploadBlob(name('closing'), descriptor, sourceOf(bytes));
  const chunks = closing.blob(name('closing'), descriptor)[Symbol.asyncIterator]();
  await chunks.next();
  await closing.close();
  const rest = (async () => {
    while ((await chunks.next()).done !== true);
  })();
  expect((await rejection(rest)).code).toBe('ERR_ABORTED');
  expect((await rejection(closing.ping(registry.host))).code).toBe('ERR_ABORTED');
});
