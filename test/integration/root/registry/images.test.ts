import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseImageConfig } from '../../../../lib/image/image-config.js';
import { chooseManifest } from '../../../../lib/image/manifest-choice.js';
import { parsePlatform } from '../../../../lib/image/platform.js';
import { parseReference, withDigest, type Reference } from '../../../../lib/image/reference.js';
import { RegistryClient } from '../../../../lib/image/registry/client.js';
import { RegistryAnswer } from '../../../../lib/image/registry/failure.js';
import { sha256 } from '../../../support/content.js';
import { startRegistry, type TestRegistry } from '../../../support/registry.js';
import { rejection } from '../../../support/rejection.js';
import { blob, collect, push, sampleImage, sampleIndex } from '../../../support/sample-image.js';
import { skopeo } from '../../../support/skopeo.js';

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

describe('images', () => {
  test.each(['oci', 'docker'] as const)('what is pushed here, skopeo pulls whole (%s)', async (kind) => {
    const image = sampleImage([100_000, 0, 7], { kind });
    await push(client, name(`pushed/${kind}:1`), image);
    const target = join(registry.directory, kind);
    await skopeo('copy', '--src-tls-verify=false', `docker://${registry.host}/pushed/${kind}:1`, `dir:${target}`);
    const manifest = readFileSync(join(target, 'manifest.json'));
    expect(sha256(manifest)).toBe(image.manifest.descriptor.digest);
    for (const { descriptor, bytes } of [...image.layers, image.config])
      expect(readFileSync(join(target, descriptor.digest.slice(7))).equals(bytes)).toBe(true);
  });

  test('what skopeo pushes, is pulled here', async () => {
    const image = sampleImage([50_000, 60_000]);
    const source = join(registry.directory, 'source');
    await push(client, name('origin:1'), image);
    await skopeo('copy', '--src-tls-verify=false', `docker://${registry.host}/origin:1`, `oci:${source}:1`);
    await skopeo('copy', '--dest-tls-verify=false', `oci:${source}:1`, `docker://${registry.host}/by/skopeo:1`);
    const { manifest, descriptor } = await client.manifest(name('by/skopeo:1'));
    if (manifest.kind !== 'manifest') return expect.unreachable();
    const config = await client.blobBytes(name('by/skopeo'), manifest.config, { maxBytes: 65_536 });
    expect(parseImageConfig(config, manifest.layers.length).env).toEqual({ A: '1' });
    const layers = await Promise.all(manifest.layers.map((layer) => collect(client.blob(name('by/skopeo'), layer))));
    expect(Buffer.concat(layers).equals(Buffer.concat(image.layers.map(({ bytes }) => bytes)))).toBe(true);
    expect(descriptor.digest).toBe(image.manifest.descriptor.digest);
  });

  test('an index for several platforms, chosen from here and by skopeo', async () => {
    const images = {
      'linux/amd64': sampleImage([10]),
      'linux/arm64': sampleImage([20], { architecture: 'arm64' }),
    };
    for (const image of Object.values(images))
      await push(client, withDigest(name('multi'), image.manifest.descriptor.digest), image);
    await client.putManifest(name('multi:1'), sampleIndex(images).bytes);
    const root = await client.manifest(name('multi:1'));
    const chosen = await chooseManifest(
      root,
      parsePlatform('linux/arm64'),
      (expected) => client.manifest(name('multi:1'), { expected }),
      'multi:1',
    );
    expect(chosen.descriptor.digest).toBe(images['linux/arm64'].manifest.descriptor.digest);
    const raw = await skopeo(
      'inspect',
      '--tls-verify=false',
      '--override-arch',
      'arm64',
      '--config',
      '--raw',
      `docker://${registry.host}/multi:1`,
    );
    expect(sha256(Buffer.from(raw))).toBe(images['linux/arm64'].config.descriptor.digest);
  });

  test('a reference with tag and digest means the digest', async () => {
    const image = sampleImage([1]);
    await push(client, name('both:1'), image);
    await push(client, name('both:2'), sampleImage([2]));
    const { digest } = image.manifest.descriptor;
    const { descriptor } = await client.manifest(name(`both:2@${digest}`));
    expect(descriptor.digest).toBe(digest);
    expect((await client.resolve(name(`both:2@${digest}`))).digest).toBe(digest);
  });

  test('a tag is resolved without being fetched', async () => {
    const image = sampleImage([1]);
    await push(client, name('head:1'), image);
    expect(await client.resolve(name('head:1'))).toEqual(image.manifest.descriptor);
  });
});

describe('what is not there', () => {
  test.each<[string, () => Promise<unknown>, string, string]>([
    ['a tag', () => client.manifest(name('none:1')), 'ERR_IMAGE_NOT_FOUND', 'MANIFEST_UNKNOWN'],
    ['a tag, by HEAD', () => client.resolve(name('none:1')), 'ERR_IMAGE_NOT_FOUND', 'status 404'],
    ['a repository', () => client.tags(name('none')), 'ERR_IMAGE_NOT_FOUND', 'NAME_UNKNOWN'],
    [
      'a blob',
      () => collect(client.blob(name('none'), blob(Buffer.from('x')).descriptor)),
      'ERR_IMAGE_NOT_FOUND',
      'BLOB_UNKNOWN',
    ],
    ['a registry', () => client.ping('127.0.0.1:1'), 'ERR_REGISTRY_UNREACHABLE', 'refuses connections'],
  ])('%s', async (_, work, code, text) => {
    const error = await rejection(work());
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(text)]);
  });

  test('the error says what was wanted of whom, and what it answered', async () => {
    const error = await rejection(client.manifest(name('team/none:1')));
    expect(error.message).toBe(
      `get manifest 1 of ${registry.host}/team/none: ${registry.host} answered with status 404, MANIFEST_UNKNOWN: manifest unknown`,
    );
    expect(error.subject).toBe(`${registry.host}/team/none`);
    expect(error.cause).toBeInstanceOf(RegistryAnswer);
    expect(error.cause).toMatchObject({ status: 404, problems: [{ code: 'MANIFEST_UNKNOWN' }] });
  });
});
