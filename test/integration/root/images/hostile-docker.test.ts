import { readdirSync, writeFileSync } from 'node:fs';
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
import { blobPath, edited, jsonOf, layoutFiles, tarOf, type Files } from '../../../support/image-archives.js';
import { openTestImages } from '../../../support/images.js';
import { noise } from '../../../support/noise.js';
import { rejection } from '../../../support/rejection.js';
import { makeScratch } from '../../../support/scratch.js';
import { symlink } from '../../../support/tar.js';
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

  test('a layer that is a link is read where it leads within the archive, and nowhere else', async () => {
    const rest = without(docker(), last!);
    const moved = { ...rest, 'elsewhere/layer.tar': docker()[last!]! };
    writeFileSync(lab.path('archive'), tarOf(moved, symlink(last!, '../elsewhere/layer.tar')));
    expect((await loadImages(lab.images, lab.path('archive')))[0]!.config.diffIds).toEqual(good.diffIds);
    lab.before = lab.store();
    const image = testImage([layerOf({ base: 'y' })]);
    const [name] = image.diffIds.map((diffId) => `${splitDigest(diffId)[1]}/layer.tar`);
    for (const link of ['/etc/passwd', '../../../../etc/passwd', 'layer.tar', '../nothing'])
      await lab.refusesBytes(tarOf(without(docker(image), name!), symlink(name!, link)), INVALID);
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
