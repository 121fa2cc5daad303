import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { loadImages } from '../../../../lib/image/archive/load.js';
import { docker, good, HostileLab, INVALID, layout, without } from '../../../support/hostile-lab.js';
import { blobPath, tarOf, type Files } from '../../../support/image-archives.js';
import { noise } from '../../../support/noise.js';
import { base256, directory, entry, file, hardLink, pax, symlink } from '../../../support/tar.js';

const lab = new HostileLab();
const lastLayer = blobPath(good.layers[1]!.digest);

test('the archives that the others are made from are fine', async () => {
  for (const bytes of [tarOf(layout()), tarOf(docker()), gzipSync(tarOf(layout()))]) {
    writeFileSync(lab.path('archive'), bytes);
    const [loaded] = await loadImages(lab.images, lab.path('archive'));
    expect(loaded!.record.reference).toBe('docker.io/library/app:1');
    expect(loaded!.config.diffIds).toEqual(good.diffIds);
  }
});

describe('entries', () => {
  test.each<[string, () => Buffer, string, string]>([
    ['a name with ..', () => tarOf(layout(), file('../evil', 'x')), INVALID, 'leads out of the archive'],
    ['.. in the middle', () => tarOf(layout(), file('a/../../../evil')), INVALID, 'leads out of the archive'],
    ['an absolute name', () => tarOf(layout(), file('/var/tmp/evil')), INVALID, 'leads out of the archive'],
    ['a directory outside', () => tarOf(layout(), directory('../evil/')), INVALID, 'leads out of the archive'],
    ['a name by PAX', () => tarOf(layout(), pax([['path', '../evil']]), file('fine')), INVALID, 'leads out'],
    ['two of one name', () => tarOf(layout(), file('index.json', '{}')), INVALID, 'two entries are called'],
    ['one name twice by ./', () => tarOf(layout(), file('./index.json', '{}')), INVALID, 'two entries'],
    [
      'a hard link out of the archive',
      () => tarOf(without(layout(), 'index.json'), hardLink('index.json', '/etc/passwd')),
      INVALID,
      'leads out of the archive',
    ],
    [
      'a hard link to nothing',
      () => tarOf(without(layout(), lastLayer), hardLink(lastLayer, 'nothing')),
      INVALID,
      'to nothing, which is no file',
    ],
    [
      'a device',
      () => tarOf(layout(), entry({ path: 'x', type: '3', devMajor: 1, devMinor: 3 })),
      INVALID,
      'neither a file',
    ],
    ['a FIFO', () => tarOf(layout(), entry({ path: 'x', type: '6' })), INVALID, 'neither a file'],
    ['no name', () => tarOf(layout(), file('./', 'x')), INVALID, 'without a name'],
    [
      'a link as index',
      () => tarOf(without(layout(), 'index.json'), symlink('index.json', '/etc/passwd')),
      INVALID,
      'a symbolic link',
    ],
    [
      'a link as blob',
      () => tarOf(without(layout(), lastLayer), symlink(lastLayer, '/dev/zero')),
      INVALID,
      'a symbolic link',
    ],
    [
      'a huge extended header',
      () => tarOf(layout(), pax([['comment', Buffer.alloc(5 * 2 ** 20, 'x')]])),
      INVALID,
      'no whole tar',
    ],
    [
      'a wrong checksum',
      () => tarOf(layout(), entry({ path: 'x', checksum: Buffer.from('000000\0 ') })),
      INVALID,
      'no whole tar',
    ],
    [
      'a size that is none',
      () => tarOf(layout(), entry({ path: 'x', size: base256(-5n, 12) })),
      INVALID,
      'no whole tar',
    ],
  ])('%s', async (_, make, code, message) => {
    await lab.refusesBytes(make(), code, message);
  });
});

describe('what is no archive', () => {
  test.each<[string, () => Uint8Array, string]>([
    ['nothing', () => Buffer.alloc(0), 'got neither'],
    ['zeroes', () => Buffer.alloc(10_240), 'got neither'],
    ['noise', () => noise(4, 10_000), 'no whole tar archive'],
    ['a gzip stream that is cut', () => gzipSync(tarOf(layout())).subarray(0, 10_000), 'compressed data is damaged'],
    ['a gzip stream of noise', () => gzipSync(noise(5, 10_000)), 'no whole tar archive'],
    [
      'a damaged zstd stream',
      () => Buffer.concat([Buffer.from('28b52ffd', 'hex'), noise(6, 1000)]),
      'compressed data is damaged',
    ],
    ['xz', () => Buffer.concat([Buffer.from('fd377a585a00', 'hex'), noise(7, 1000)]), 'compressed data is damaged'],
  ])('%s', async (_, make, message) => {
    await lab.refusesBytes(make(), INVALID, message);
  });

  test('an archive that is cut anywhere', async () => {
    const bytes = tarOf(layout());
    // Without its end of two blocks it is still whole.
    for (let size = 700; size < bytes.length - 1024; size += 15_361)
      await lab.refusesBytes(bytes.subarray(0, size), INVALID);
  });
});

describe('paths', () => {
  function write(files: Files): string {
    for (const [name, bytes] of Object.entries(files)) {
      mkdirSync(dirname(lab.path(`layout/${name}`)), { recursive: true });
      writeFileSync(lab.path(`layout/${name}`), bytes);
    }
    return lab.path('layout');
  }

  test('a FIFO, a device, a socket and nothing', async () => {
    execFileSync('mkfifo', [lab.path('fifo')]);
    for (const given of [lab.path('fifo'), '/dev/zero', lab.path('nothing')])
      await lab.refuses(given, 'ERR_INVALID_OPTION', 'source: expected an archive');
  });

  test('directories', async () => {
    mkdirSync(lab.path('empty'));
    await lab.refuses(lab.path('empty'), INVALID, 'got neither');
    const given = write(without(layout(), 'index.json'));
    execFileSync('mkfifo', [join(given, 'index.json')]);
    await lab.refuses(given, INVALID, 'index.json is not a file');
  });

  test.each([['index.json'], ['oci-layout'], [lastLayer]])('%s is a link to a file outside', async (name) => {
    const files = layout();
    writeFileSync(lab.path('outside'), files[name]!);
    const given = write(without(files, name));
    symlinkSync(lab.path('outside'), join(given, name));
    await lab.refuses(given, INVALID, `${name} is not a file`);
  });

  test('a directory of blobs that is a link', async () => {
    const given = write(layout());
    execFileSync('mv', [join(given, 'blobs'), lab.path('outside')]);
    symlinkSync(lab.path('outside'), join(given, 'blobs'));
    await lab.refuses(given, INVALID, 'blobs is not a directory');
  });
});
