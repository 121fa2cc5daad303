import { describe, expect, test } from 'vitest';
import { CloisterError } from '../../../../lib/errors.js';
import { parseDockerManifest } from '../../../../lib/image/archive/docker-manifest.js';
import { defaultRepository, resolveName } from '../../../../lib/image/archive/names.js';
import { checkMarker, parseLayoutIndex } from '../../../../lib/image/archive/oci-layout.js';
import { plainName } from '../../../../lib/image/archive/tar-files.js';
import { MEDIA_TYPE } from '../../../../lib/image/media-types.js';
import { parsePlatform } from '../../../../lib/image/platform.js';
import { parseReference } from '../../../../lib/image/reference.js';
import type { Digest } from '../../../../lib/shared/digest.js';

const MACHINE = parsePlatform('linux/amd64');
const bytes = (value: unknown): Buffer => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const digest = (digit: string): Digest => `sha256:${digit.repeat(64)}`;
const REF = 'org.opencontainers.image.ref.name';
const FULL = 'io.containerd.image.name';

const entry = (digit: string, annotations: object = {}, more: object = {}) => ({
  mediaType: MEDIA_TYPE.ociManifest,
  digest: digest(digit),
  size: 2,
  annotations,
  ...more,
});
const platform = (architecture: string) => ({ platform: { os: 'linux', architecture } });

/** `name digit`, for each image. */
function read(...manifests: object[]): string[] {
  return parseLayoutIndex('x', bytes({ schemaVersion: 2, manifests }), MACHINE).map(({ name, root }) => {
    const text = name.kind === 'full' ? name.reference.toString() : name.kind === 'tag' ? `tag ${name.tag}` : 'none';
    return `${text} ${root.digest[7]}`;
  });
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (!CloisterError.is(error)) throw error;
    expect(error.code).toBe('ERR_IMAGE_INVALID');
    return error.message;
  }
  throw new Error('it was taken');
}

describe('index.json', () => {
  test.each([
    ['none', {}, 'none 1'],
    ['a tag', { [REF]: '1.2' }, 'tag 1.2 1'],
    ['a name', { [REF]: 'registry.example/a:3' }, 'registry.example/a:3 1'],
    ['a short name', { [REF]: 'debian:12' }, 'docker.io/library/debian:12 1'],
    ['both in full', { [REF]: 'a/b:1', [FULL]: 'docker.io/a/b:1' }, 'docker.io/a/b:1 1'],
    ['what Docker writes', { [REF]: '1', [FULL]: 'docker.io/a/b:1' }, 'docker.io/a/b:1 1'],
    ['what umoci leaves over', { [REF]: '2', [FULL]: 'docker.io/a/b:1' }, 'tag 2 1'],
    ['what containerd writes', { [FULL]: 'docker.io/a/b:1' }, 'docker.io/a/b:1 1'],
  ])('names: %s', (_, annotations, expected) => {
    expect(read(entry('1', annotations))).toEqual([expected]);
  });

  test('of several images for one name, the machine has its own', () => {
    const name = { [REF]: 'a:1' };
    const [arm, amd, v3] = [entry('1', name, platform('arm64')), entry('2', name, platform('amd64')), entry('3', name)];
    expect(read(arm, amd)).toEqual(['docker.io/library/a:1 2']);
    expect(read(v3, arm, amd)).toEqual(['docker.io/library/a:1 2']);
    expect(read(arm)).toEqual(['docker.io/library/a:1 1']);
    expect(read(amd, amd)).toEqual(['docker.io/library/a:1 2']);
    expect(refusal(() => read(amd, entry('4', name, platform('amd64'))))).toContain('expected names of one image each');
    expect(read(entry('5', {}, platform('arm64')), entry('6', {}, platform('amd64')), entry('7'))).toEqual([
      'none 6',
      'none 7',
    ]);
  });

  test('what is no image is passed over, and there must be one', () => {
    const chart = { ...entry('9'), mediaType: 'application/vnd.example+json' };
    expect(read(chart, entry('1'))).toEqual(['none 1']);
    expect(refusal(() => read(chart))).toContain('x: index.json.manifests: expected an image');
  });

  test.each([
    ['no JSON', '{', 'no JSON'],
    ['no object', [], 'an object'],
    ['another version', { schemaVersion: 1, manifests: [] }, 'schema 1'],
    ['a manifest', { schemaVersion: 2, config: entry('1'), layers: [] }, 'application/vnd.oci.image.index'],
    ['no list', { schemaVersion: 2, manifests: {} }, 'an array'],
    [
      'no digest',
      { schemaVersion: 2, manifests: [{ ...entry('1'), digest: '../../etc/passwd' }] },
      'a sha256 or sha512 digest',
    ],
    ['a negative size', { schemaVersion: 2, manifests: [{ ...entry('1'), size: -1 }] }, 'an integer from 0'],
    ['a name that is none', { schemaVersion: 2, manifests: [entry('1', { [REF]: '../..' })] }, 'it names an image'],
    ['another spelling', { schemaVersion: 2, Manifests: [entry('1')], manifests: [] }, "the spelling 'manifests'"],
    [
      'too many',
      { schemaVersion: 2, manifests: Array.from({ length: 1025 }, () => entry('1')) },
      'at most 1024 images',
    ],
    ['too much', ' '.repeat(4 * 2 ** 20 + 1), 'at most 4194304 bytes'],
    ['too deep', '['.repeat(1_000_000), 'no JSON'],
  ])('refuses %s', (_, value, expected) => {
    expect(refusal(() => parseLayoutIndex('x', bytes(value), MACHINE))).toContain(expected);
  });
});

test('oci-layout', () => {
  checkMarker('x', bytes({ imageLayoutVersion: '1.0.0' }));
  checkMarker('x', bytes({ imageLayoutVersion: '1.1.0' }));
  for (const value of [{}, { imageLayoutVersion: '2.0.0' }, { imageLayoutVersion: 1 }, 'x', ' '.repeat(5000)])
    expect(refusal(() => checkMarker('x', bytes(value)))).toContain('x: oci-layout');
});

describe('manifest.json', () => {
  const hex = 'a'.repeat(64);
  const image = { Config: `${hex}.json`, RepoTags: ['a:1', 'b.example/c:2'], Layers: ['1/layer.tar', './2.tar'] };

  test('names, configuration and layers', () => {
    const [parsed, untagged, modern] = parseDockerManifest(
      'x',
      bytes([image, { ...image, RepoTags: null, Config: 'config.json' }, { ...image, Config: `blobs/sha256/${hex}` }]),
    );
    expect(parsed).toMatchObject({
      config: `${hex}.json`,
      configDigest: `sha256:${hex}`,
      layers: ['1/layer.tar', '2.tar'],
    });
    expect(parsed!.names.map((name) => name.kind === 'full' && name.reference.toString())).toEqual([
      'docker.io/library/a:1',
      'b.example/c:2',
    ]);
    expect(untagged).toMatchObject({ names: [{ kind: 'none' }], configDigest: undefined });
    expect(modern!.configDigest).toBe(`sha256:${hex}`);
  });

  test.each([
    ['an object', {}, 'an array'],
    ['nothing', [], 'an image'],
    ['a text', ['x'], 'an object'],
    ['no configuration', [{ ...image, Config: undefined }], 'Config: expected a text'],
    ['a configuration outside', [{ ...image, Config: '../x.json' }], 'a name inside the archive'],
    ['an absolute layer', [{ ...image, Layers: ['/etc/passwd'] }], 'a name inside the archive'],
    ['a layer without a name', [{ ...image, Layers: ['.'] }], 'a name inside the archive'],
    ['a tag that is none', [{ ...image, RepoTags: ['A B'] }], 'it names an image'],
    ['layers that are none', [{ ...image, Layers: [1] }], 'a text'],
    ['too many layers', [{ ...image, Layers: Array.from({ length: 1025 }, () => 'x') }], 'at most 1024'],
  ])('refuses %s', (_, value, expected) => {
    expect(refusal(() => parseDockerManifest('x', bytes(value)))).toContain(expected);
  });
});

test('names of entries', () => {
  expect(plainName('./a//b/')).toBe('a/b');
  expect(plainName('./')).toBe('');
  for (const name of ['/a', '..', 'a/../b', 'a/..', 'a\0b', 'x'.repeat(1025)]) expect(plainName(name)).toBeUndefined();
});

test('names of images', () => {
  const repository = (path: string): string => defaultRepository(path).toString();
  expect(repository('/tmp/My App.tar.gz')).toBe('localhost/my-app:latest');
  expect(repository('/tmp/busybox_1.36.oci')).toBe('localhost/busybox-1-36:latest');
  expect(repository('/tmp/...')).toBe('localhost/image:latest');
  expect(repository(`/tmp/${'x'.repeat(255)}`)).toBe(`localhost/${'x'.repeat(100)}:latest`);

  const base = parseReference('me/app');
  const digests = [digest('1'), digest('2')] as const;
  expect(resolveName('x', { kind: 'tag', tag: '3' }, base, digests).toString()).toBe('docker.io/me/app:3');
  expect(resolveName('x', { kind: 'none' }, base, digests).toString()).toBe(`docker.io/me/app@${digest('1')}`);
  const full = (text: string) => ({ kind: 'full', reference: parseReference(text) }) as const;
  expect(resolveName('x', full(`a/b@${digest('2')}`), base, digests).digest).toBe(digest('2'));
  expect(refusal(() => resolveName('x', full(`a/b@${digest('3')}`), base, digests))).toContain('that has the digest');
});
