import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { loadImages } from '../../../../lib/image/archive/load.js';
import { splitDigest } from '../../../../lib/shared/digest.js';
import {
  changed,
  damaged,
  docker,
  good,
  HostileLab,
  INVALID,
  layout,
  MISMATCH,
  other,
  without,
} from '../../../support/hostile-lab.js';
import {
  blobPath,
  dockerFiles,
  edited,
  jsonOf,
  layoutFiles,
  tarOf,
  type Files,
} from '../../../support/image-archives.js';
import { openTestImages } from '../../../support/images.js';
import { noise } from '../../../support/noise.js';
import { rejection } from '../../../support/rejection.js';
import { makeScratch } from '../../../support/scratch.js';
import { directory, file, hardLink, symlink } from '../../../support/tar.js';
import { layerOf, testImage } from '../../../support/test-image.js';

const lab = new HostileLab();

describe('Docker archives', () => {
  const [first, last] = good.diffIds.map((diffId) => `${splitDigest(diffId)[1]}/layer.tar`);
  const configName = `${splitDigest(good.config.digest)[1]}.json`;
  const edit = (change: (entry: Record<string, unknown>) => object): Files =>
    changed(
      docker(),
      'manifest.json',
      edited(docker()['manifest.json']!, ([each]: [Record<string, unknown>]) => [change(each)]),
    );

  test.each<[string, () => Files, string, string]>([
    [
      'no manifest.json',
      () => ({ ...without(docker(), 'manifest.json'), repositories: jsonOf({}) }),
      INVALID,
      'got neither',
    ],
    ['no configuration', () => without(docker(), configName), INVALID, 'is missing'],
    ['no layer', () => without(docker(), last!), INVALID, 'is missing'],
    ['a configuration by another digest', () => damaged(docker(), configName), MISMATCH, 'has the digest'],
    ['a damaged layer', () => damaged(docker(), last!), MISMATCH, 'digest is'],
    ['layers exchanged', () => edit((each) => ({ ...each, Layers: [last, first] })), MISMATCH, 'digest is'],
    ['one layer twice', () => edit((each) => ({ ...each, Layers: [first, first] })), MISMATCH, 'digest is'],
    ['fewer layers', () => edit((each) => ({ ...each, Layers: [first] })), INVALID, 'one for each layer'],
    [
      'a layer outside',
      () => edit((each) => ({ ...each, Layers: ['../../etc/passwd', last] })),
      INVALID,
      'inside the archive',
    ],
    [
      'a configuration by path',
      () => edit((each) => ({ ...each, Config: '/etc/passwd' })),
      INVALID,
      'inside the archive',
    ],
    [
      'a compressed layer that is another',
      () => changed(docker(), last!, gzipSync(layerOf({ a: 'x' }))),
      MISMATCH,
      'has the digest',
    ],
    [
      'one name for two images',
      () => ({
        ...docker(other),
        ...changed(
          docker(),
          'manifest.json',
          jsonOf([good, other].flatMap((image) => JSON.parse(docker(image)['manifest.json']!.toString()) as object[])),
        ),
      }),
      INVALID,
      'two images are called',
    ],
    [
      'a huge configuration',
      () =>
        changed(
          edit((each) => ({ ...each, Config: 'c' })),
          'c',
          Buffer.alloc(9 * 2 ** 20, ' '),
        ),
      INVALID,
      'are read',
    ],
  ])('%s', async (_, make, code, message) => {
    await lab.refusesBytes(tarOf(make()), code, message);
  });

  test.each<[string, (name: string) => Buffer[]]>([
    ['a symbolic link', (name) => [symlink(name, '../elsewhere/layer.tar')]],
    ['a hard link', (name) => [hardLink(name, './elsewhere/layer.tar')]],
    [
      'a link to a link',
      (name) => [symlink(name, '../a/b'), hardLink('a/b', 'c'), symlink('c', './elsewhere/layer.tar')],
    ],
  ])('a layer that is %s is read where it leads', async (_, linksAt) => {
    const moved = { ...without(docker(), last!), 'elsewhere/layer.tar': docker()[last!]! };
    writeFileSync(lab.path('archive'), tarOf(moved, ...linksAt(last!)));
    expect((await loadImages(lab.images, lab.path('archive')))[0]!.config.diffIds).toEqual(good.diffIds);
  });

  test('repacked by tar, what is there twice is a hard link', async () => {
    const twice = testImage([layerOf({ base: 'z' })]);
    const [from] = twice.diffIds.map((diffId) => `${splitDigest(diffId)[1]}/layer.tar`);
    const image = dockerFiles({ 'app:1': twice, 'app:2': testImage([layerOf({ base: 'z' })], { config: {} }) });
    const entries = (JSON.parse(image['manifest.json']!.toString()) as object[]).map((each, index) => ({
      ...each,
      Layers: [`image${index}/layer.tar`],
    }));
    for (const [name, bytes] of Object.entries({ ...without(image, from!), 'manifest.json': jsonOf(entries) }))
      writeFileSync(lab.path(name), bytes);
    for (const name of ['image0', 'image1']) mkdirSync(lab.path(name));
    writeFileSync(lab.path('image0/layer.tar'), image[from!]!);
    linkSync(lab.path('image0/layer.tar'), lab.path('image1/layer.tar'));
    const names = [...Object.keys(without(image, from!)), 'image0', 'image1'];
    execFileSync('tar', ['-C', lab.path('.'), '-cf', lab.path('archive'), ...names.map((name) => `./${name}`)]);
    const loaded = await loadImages(lab.images, lab.path('archive'));
    expect(loaded.map(({ config }) => config.diffIds)).toEqual([twice.diffIds, twice.diffIds]);
  });

  const elsewhere = testImage([layerOf({ base: 'y' })]);
  const [only] = elsewhere.diffIds.map((diffId) => `${splitDigest(diffId)[1]}/layer.tar`);
  const chain = (length: number): Buffer[] =>
    Array.from({ length }, (_, index) => symlink(`chain${index}`, `chain${index + 1}`));

  test.each<[string, () => Buffer[], string]>([
    ['an absolute path', () => [symlink(only!, '/etc/passwd')], 'leads out of the archive'],
    ['a path above the archive', () => [symlink(only!, '../../../../etc/passwd')], 'leads out of the archive'],
    ['a hard link to an absolute path', () => [hardLink(only!, '/etc/passwd')], 'leads out of the archive'],
    ['a hard link above', () => [hardLink(only!, '../etc/passwd')], 'leads out of the archive'],
    ['an empty name', () => [hardLink(only!, '')], 'which is no file'],
    ['nothing', () => [symlink(only!, '../nothing')], 'to nothing, which is no file'],
    ['nothing, by a hard link', () => [hardLink(only!, 'nothing')], 'to nothing, which is no file'],
    ['a directory', () => [directory('d/'), symlink(only!, '../d')], 'to d, which is no file'],
    ['itself', () => [symlink(only!, 'layer.tar')], 'in a circle'],
    ['itself, by a hard link', () => [hardLink(only!, only!)], 'in a circle'],
    ['another that leads back', () => [symlink(only!, '../b'), hardLink('b', only!)], 'in a circle'],
    ['too many others', () => [symlink(only!, '../chain0'), ...chain(50), file('chain50')], 'more than 40'],
  ])('a layer that is a link to %s', async (_, links, message) => {
    await lab.refusesBytes(tarOf(without(docker(elsewhere), only!), ...links()), INVALID, message);
  });
});

test('an abort in the midst of it leaves nothing', async () => {
  const big = testImage([layerOf({ base: 'x' }), layerOf({ big: noise(8, 3_000_000) })]);
  for (const files of [layout(big), docker(big)]) {
    writeFileSync(lab.path('archive'), tarOf(files));
    const abort = new AbortController();
    const loading = loadImages(lab.images, lab.path('archive'), {
      signal: abort.signal,
      onProgress: ({ phase, total }) => {
        if (phase === 'downloading' && total > 1_000_000) abort.abort();
      },
    });
    expect((await rejection(loading)).code).toBe('ERR_ABORTED');
    expect(lab.store()).toEqual(lab.before);
  }
});

test('a failure leaves what was there before, and what others use', async () => {
  const base = layerOf({ shared: 'x' });
  const [first, second] = [testImage([base]), testImage([base, layerOf({ more: 'x' })])];
  writeFileSync(lab.path('first'), tarOf(layoutFiles({ 'first:1': first })));
  await loadImages(lab.images, lab.path('first'));
  lab.before = lab.store();
  await lab.refusesBytes(
    tarOf(damaged(layoutFiles({ 'second:1': second }), blobPath(second.layers[1]!.digest))),
    MISMATCH,
  );
});

test('a full disk is an error, and leaves nothing', async () => {
  const big = testImage([layerOf({ big: noise(9, 3_000_000) })]);
  using small = makeScratch('hostile-full', '4m');
  using full = openTestImages(small.path);
  writeFileSync(lab.path('archive'), tarOf(layout(big)));
  const list = (): string[] => readdirSync(small.path, { recursive: true, encoding: 'utf8' }).sort();
  const first = list();
  expect((await rejection(loadImages(full, lab.path('archive')))).errno).toBe('ENOSPC');
  expect(list().filter((name) => !first.includes(name))).toEqual(['layers']);
});
