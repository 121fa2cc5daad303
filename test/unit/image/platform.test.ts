import { describe, expect, test } from 'vitest';
import { makeDescriptor, type Descriptor } from '../../../lib/image/descriptor.js';
import { MEDIA_TYPE } from '../../../lib/image/media-types.js';
import { choosePlatform, platformRank } from '../../../lib/image/platform-match.js';
import {
  formatPlatform,
  hostPlatform,
  normalizePlatform,
  parsePlatform,
  x86Level,
} from '../../../lib/image/platform.js';

describe('names', () => {
  test.each([
    ['linux/amd64', 'linux/amd64'],
    ['linux/x86_64', 'linux/amd64'],
    ['Linux/X86-64', 'linux/amd64'],
    ['linux/amd64/v1', 'linux/amd64'],
    ['linux/amd64/v3', 'linux/amd64/v3'],
    ['linux/i386', 'linux/386'],
    ['linux/aarch64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/arm64/8', 'linux/arm64'],
    ['linux/arm64/v8.2', 'linux/arm64/v8.2'],
    ['linux/arm', 'linux/arm/v7'],
    ['linux/arm/6', 'linux/arm/v6'],
    ['linux/armhf', 'linux/arm/v7'],
    ['linux/armel', 'linux/arm/v6'],
    ['macos/arm64', 'darwin/arm64'],
    ['aarch64', 'linux/arm64'],
    ['s390x', 'linux/s390x'],
    ['linux', formatPlatform(hostPlatform())],
  ])('%s is %s', (text, normal) => {
    expect(formatPlatform(parsePlatform(text))).toBe(normal);
  });

  test.each([
    '',
    '/',
    'linux/',
    'linux/amd64/v1/x',
    'linux/am d64',
    'unknown/unknown',
    'a'.repeat(65),
    '../etc',
    'plan10',
    12,
  ])('%j is none', (text) => {
    expect(() => parsePlatform(text as string)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }));
  });

  test('the host is one', () => {
    expect(hostPlatform()).toEqual(parsePlatform(formatPlatform(hostPlatform())));
  });

  test.each([
    ['', 'v1'],
    ['cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3', 'v2'],
    ['cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3 avx avx2 bmi1 bmi2 f16c fma abm movbe', 'v2'],
    ['cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3 avx avx2 bmi1 bmi2 f16c fma abm movbe xsave', 'v3'],
    [
      'cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3 avx avx2 bmi1 bmi2 f16c fma abm movbe xsave avx512f avx512bw avx512cd avx512dq avx512vl',
      'v4',
    ],
    ['avx avx2 bmi1 bmi2 f16c fma abm movbe xsave', 'v1'],
  ])('a processor with "%s" is %s', (flags, level) => {
    expect(x86Level(`processor\t: 0\nflags\t\t: fpu ${flags}\nbugs\t\t:\n`)).toBe(level);
  });
});

/** What a machine runs of what there is, the best first. */
function order(machine: string, images: readonly string[]): string[] {
  const ranks = images.map((image) => [image, platformRank(parsePlatform(machine), parsePlatform(image))] as const);
  const fit = ranks.flatMap(([image, rank]) => (rank === undefined ? [] : [[image, rank] as const]));
  return fit.sort(([, a], [, b]) => a - b).map(([image]) => image);
}

describe('what runs where', () => {
  const amd = ['linux/386', 'linux/amd64', 'linux/amd64/v2', 'linux/amd64/v3', 'linux/amd64/v4'];
  const arm = ['linux/arm/v5', 'linux/arm/v6', 'linux/arm/v7', 'linux/arm/v8'];
  const arm64 = ['linux/arm64', 'linux/arm64/v8.1', 'linux/arm64/v8.2', 'linux/arm64/v9', 'linux/arm64/v9.1'];
  const others = ['linux/s390x', 'linux/ppc64le', 'windows/amd64', 'freebsd/amd64'];
  const all = [...others, ...amd, ...arm, ...arm64];

  test.each([
    ['linux/amd64', ['linux/amd64', 'linux/386']],
    ['linux/amd64/v3', ['linux/amd64/v3', 'linux/amd64/v2', 'linux/amd64', 'linux/386']],
    ['linux/amd64/v4', ['linux/amd64/v4', 'linux/amd64/v3', 'linux/amd64/v2', 'linux/amd64', 'linux/386']],
    ['linux/386', ['linux/386']],
    ['linux/arm/v6', ['linux/arm/v6', 'linux/arm/v5']],
    ['linux/arm/v8', [...arm].reverse()],
    ['linux/arm64', ['linux/arm64', ...[...arm].reverse()]],
    ['linux/arm64/v8.2', ['linux/arm64/v8.2', 'linux/arm64/v8.1', 'linux/arm64', ...[...arm].reverse()]],
    [
      'linux/arm64/v9.1',
      [
        'linux/arm64/v9.1',
        'linux/arm64/v9',
        'linux/arm64/v8.2',
        'linux/arm64/v8.1',
        'linux/arm64',
        ...[...arm].reverse(),
      ],
    ],
    ['linux/s390x', ['linux/s390x']],
    ['linux/riscv64', []],
  ])('%s', (machine, expected) => {
    expect(order(machine, all)).toEqual(expected);
    expect(order(machine, [...all].reverse())).toEqual(expected);
  });

  test('the version of the system means nothing, what it must be able to do does', () => {
    const machine = parsePlatform('linux/amd64');
    expect(platformRank(machine, normalizePlatform({ ...machine, osVersion: '6.6' }))).toBe(0);
    expect(platformRank(machine, normalizePlatform({ ...machine, osFeatures: ['gpu'] }))).toBeUndefined();
  });
});

function descriptor(name: string, platform?: string, more: Partial<Descriptor> = {}): Descriptor {
  const [os = '', architecture = '', variant] = platform?.split('/') ?? [];
  return makeDescriptor({
    mediaType: MEDIA_TYPE.ociManifest,
    digest: `sha256:${name.padEnd(64, '0')}`,
    size: 1,
    platform: platform === undefined ? undefined : normalizePlatform({ os, architecture, variant }),
    ...more,
  });
}

describe('choosing from an index', () => {
  const choose = (machine: string, descriptors: Descriptor[]): string =>
    choosePlatform(descriptors, parsePlatform(machine), 'app:1').digest.slice(7).replace(/0+$/, '');

  test('the best, the first of equals', () => {
    const index = [descriptor('a', 'linux/arm/v6'), descriptor('b', 'linux/arm/v7'), descriptor('c', 'linux/arm/v7')];
    expect([choose('linux/arm64', index), choose('linux/arm/v6', index)]).toEqual(['b', 'a']);
  });

  test('what has no platform comes last', () => {
    const index = [descriptor('a'), descriptor('b', 'linux/386')];
    expect([choose('linux/amd64', index), choose('linux/arm64', index)]).toEqual(['b', 'a']);
  });

  test('never an attestation, an artifact or something else', () => {
    const index = [
      descriptor('a', 'unknown/unknown', { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } }),
      descriptor('b', undefined, { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } }),
      descriptor('c', 'linux/amd64', { artifactType: 'application/spdx+json' }),
      descriptor('d', 'linux/amd64', { mediaType: 'application/octet-stream' }),
      descriptor('e', 'unknown/unknown'),
      descriptor('f', 'linux/386', { artifactType: MEDIA_TYPE.ociConfig }),
    ];
    expect(choose('linux/amd64', index)).toBe('f');
    expect(() => choose('linux/arm64', index)).toThrow(
      'app:1: expected an image for linux/arm64, there are linux/amd64, linux/386',
    );
    expect(() => choose('linux/arm64', index)).toThrow(expect.objectContaining({ code: 'ERR_PLATFORM_NOT_FOUND' }));
  });

  test('an empty one', () => {
    expect(() => choose('linux/amd64', [])).toThrow('there are none');
  });
});
