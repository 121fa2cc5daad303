import { execFileSync } from 'node:child_process';
import { createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Host, Image, Sandbox } from '../../../../lib/index.js';
import { importTestImage } from '../../../support/archives.js';
import { busyboxLayer } from '../../../support/busybox-image.js';
import { noise } from '../../../support/noise.js';
import { rejection } from '../../../support/rejection.js';
import { makeScratch } from '../../../support/scratch.js';
import { skopeo } from '../../../support/skopeo.js';
import { archive, directory, file, hardLink, pax, symlink } from '../../../support/tar.js';
import { layerOf, testImage } from '../../../support/test-image.js';
import { readTree } from '../../../support/tree.js';

let scratch: ReturnType<typeof makeScratch>;
let host: Host;
const path = (name: string): string => join(scratch.path, name);

beforeEach(() => {
  scratch = makeScratch('import');
  const options = { storage: 'overlay', registries: { useCredentialFiles: false } } as const;
  host = new Host({ root: path('host'), stateDir: path('state'), ...options });
});
afterEach(async () => {
  await host.close();
  scratch[Symbol.dispose]();
});

const run = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { cwd: scratch.path, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** A tree with what file systems have. */
const tree = (): Buffer =>
  archive(
    directory('./', { mode: 0o751, uid: 3, gid: 4 }),
    busyboxLayer().subarray(0, -1024),
    directory('d/', { mode: 0o1777, uid: 1000, gid: 1001 }),
    pax([
      ['SCHILY.xattr.user.note', Buffer.from([1, 0, 255])],
      ['mtime', '1600000000.123456789'],
      ['uid', '3000000'],
    ]),
    file('d/file', 'contents', { mode: 0o4755 }),
    hardLink('d/same', 'd/file'),
    symlink('d/link', '../nowhere'),
    file('d/empty', ''),
  );

function unpacked(name: string): string {
  mkdirSync(path(name));
  run('tar', '--xattrs', '--xattrs-include=*', '--numeric-owner', '-xpf', `${name}.tar`, '-C', name);
  return path(name);
}

test.each([
  ['plain', (bytes: Buffer) => bytes],
  ['gzip', (bytes: Buffer) => gzipSync(bytes)],
  ['zstd', (bytes: Buffer) => execFileSync('zstd', ['-c'], { input: bytes, maxBuffer: 2 ** 26 })],
])('an archive, %s, becomes an image that runs, and is kept as it is', async (_, pack) => {
  const bytes = pack(tree());
  writeFileSync(path('root.tar'), bytes);
  const image = await Image.import(path('root.tar'), 'me/base:1', {
    host,
    config: {
      cmd: ['cat', '/d/file'],
      env: { PATH: '/bin' },
      user: '0:0',
      workingDir: '/d',
      exposedPorts: ['80/tcp'],
      labels: { a: 'b' },
      stopSignal: 'SIGINT',
      volumes: ['/data'],
    },
    author: 'me',
    comment: 'from a test',
    created: new Date('2026-01-02T03:04:05Z'),
  });
  expect(image).toMatchObject({
    reference: 'docker.io/me/base:1',
    labels: { a: 'b' },
    layers: [{ size: bytes.length }],
    history: [{ author: 'me', comment: 'from a test', created: '2026-01-02T03:04:05.000Z' }],
    config: {
      cmd: ['cat', '/d/file'],
      user: '0:0',
      workingDir: '/d',
      exposedPorts: [{ port: 80 }],
      stopSignal: 'SIGINT',
      volumes: ['/data'],
    },
  });
  expect((await Sandbox.run([], { image, host })).stdout).toBe('contents');
  await image.save(path('saved.tar'));
  expect(JSON.parse(await skopeo('inspect', '--config', `oci-archive:${path('saved.tar')}`))).toMatchObject({
    author: 'me',
    config: { Cmd: ['cat', '/d/file'] },
  });
});

test('a stream becomes the same image as the file, a directory one with the same tree', async () => {
  writeFileSync(path('root.tar'), tree());
  const made = { host, created: new Date(0) };
  const image = await Image.import(path('root.tar'), 'a', made);
  expect((await Image.import(createReadStream(path('root.tar')), 'b', made)).digest).toBe(image.digest);
  mkdirSync(path('root'));
  run('tar', '--xattrs', '--xattrs-include=*', '--numeric-owner', '-xpf', 'root.tar', '-C', 'root');
  const fromDirectory = await Image.import(path('root'), 'c', made);
  await Image.export(fromDirectory, path('out.tar'));
  expect(readTree(unpacked('out'))).toEqual(readTree(path('root')));
});

test('what is exported is the root that a sandbox sees: layers merged, and nothing of what they removed', async () => {
  const layers = [
    tree(),
    archive(file('.wh.etc'), directory('d/', { mode: 0o700 }), file('d/.wh.empty'), file('new/deep/file', 'x')),
    archive(
      directory('new/'),
      file('new/.wh..wh..opq'),
      file('new/only', noise(1, 3_000_000)),
      hardLink('second', 'new/only'),
    ),
  ];
  const image = await importTestImage(host, testImage(layers), 'merged:1');
  await Image.export('merged:1', path('out.tar'), { host });
  const found = readTree(unpacked('out'));
  const ofBusybox = /^(bin|dev|proc|sys|tmp)/;
  expect(Object.keys(found).filter((name) => !ofBusybox.test(name))).toEqual([
    '',
    'd',
    'd/file',
    'd/link',
    'd/same',
    'new',
    'new/only',
    'second',
  ]);
  expect(found['d']).toMatch(/^directory 700 0:0/);
  expect(found['']).toMatch(/^directory 751 3:4/);
  expect(found['d/file']).toMatch(
    /^file 4755 3000000:0 8 bytes .* time 1600000000123456789 one with d\/file user.note=0x0100ff/,
  );
  expect(found['d/same']).toContain('one with d/file');
  expect(found['second']).toContain('one with new/only');
  expect(readFileSync(path('out/second')).equals(noise(1, 3_000_000))).toBe(true);

  await image.save(path('layout'), { directory: true });
  run('umoci', 'unpack', '--image', 'layout:docker.io/library/merged:1', 'bundle');
  const withoutTimes = (_: string, type: string): boolean => type === 'directory';
  expect(readTree(path('out'), { withoutTimes })).toEqual(readTree(path('bundle/rootfs'), { withoutTimes }));
  const seen = await Sandbox.run(['stat', '-c', '%a %u:%g', '/d/file', '/d'], { image, host });
  expect(seen.stdout).toBe('4755 65534:0\n700 0:0\n');
});

test('what fails leaves nothing, and a name as it was', async () => {
  writeFileSync(path('good.tar'), tree());
  const before = await Image.import(path('good.tar'), 'app', { host });
  const list = (): string[] => readdirSync(path('host'), { recursive: true, encoding: 'utf8' }).sort();
  const there = list();
  const bad: [string, Uint8Array, string][] = [
    ['escapes', archive(file('../../evil', 'x')), 'ERR_LAYER_INVALID'],
    ['truncated', tree().subarray(0, 5000), 'ERR_LAYER_INVALID'],
    ['noise', noise(2, 10_240), 'ERR_LAYER_INVALID'],
    ['gzip', gzipSync(tree()).subarray(0, 5000), 'ERR_LAYER_INVALID'],
  ];
  for (const [name, bytes, code] of bad) {
    writeFileSync(path(name), bytes);
    expect((await rejection(Image.import(path(name), 'app', { host }))).code).toBe(code);
    expect(list()).toEqual(there);
  }
  run('mkfifo', 'fifo');
  for (const source of [path('fifo'), '/dev/zero', path('nothing')])
    expect(await rejection(Image.import(source, 'app', { host }))).toMatchObject({
      code: 'ERR_INVALID_OPTION',
      subject: 'source',
    });

  const abort = new AbortController();
  const endless = async function* (): AsyncGenerator<Uint8Array> {
    yield tree().subarray(0, 1024);
    for (let round = 0; ; round++) {
      if (round === 50) abort.abort();
      yield noise(round, 10_240);
    }
  };
  expect((await rejection(Image.import(endless(), 'app', { host, signal: abort.signal }))).code).toBe('ERR_ABORTED');
  const failing = async function* (): AsyncGenerator<Uint8Array> {
    yield tree().subarray(0, 1024);
    throw new RangeError('of the source');
  };
  await expect(Image.import(failing(), 'app', { host })).rejects.toThrow('of the source');
  expect(list()).toEqual(there);
  expect((await Image.get('app', { host })).digest).toBe(before.digest);
});

test('an export or a save that fails leaves no file, and what was there', async () => {
  const image = await importTestImage(host, testImage([layerOf({ a: noise(3, 2_000_000) })]), 'app:1');
  mkdirSync(path('out'));
  writeFileSync(path('out/kept'), 'as it was');
  const aborted = AbortSignal.abort();
  for (const write of [
    () => image.export(path('out/kept'), { signal: aborted }),
    () => image.save(path('out/kept'), { signal: aborted }),
  ])
    expect((await rejection(write())).code).toBe('ERR_ABORTED');
  for (const given of ['out', 'none/there', '/dev/null'])
    for (const write of [
      () => image.export(path(given).replace(/.*\/dev/, '/dev')),
      () => image.save(path(given).replace(/.*\/dev/, '/dev')),
    ])
      expect(await rejection(write())).toMatchObject({ code: 'ERR_INVALID_OPTION', subject: 'target' });
  expect((await rejection(image.save(path('out'), { directory: true }))).subject).toBe('target');

  using small = makeScratch('full', '1m');
  for (const write of [
    () => image.export(join(small.path, 'a')),
    () => image.save(join(small.path, 'a')),
    () => image.save(join(small.path, 'a'), { format: 'docker' }),
    () => image.save(join(small.path, 'a'), { directory: true }),
  ])
    expect((await rejection(write())).errno).toBe('ENOSPC');
  expect(readdirSync(small.path)).toEqual([]);

  // A blob that is damaged on the disk does not leave the machine.
  const blob = path(`host/content/blobs/sha256/${image.layers[0]!.digest.slice(7)}`);
  const bytes = readFileSync(blob);
  bytes[1000]! ^= 1;
  execFileSync('chmod', ['600', blob]);
  writeFileSync(blob, bytes);
  for (const write of [
    () => image.export(path('out/kept')),
    () => image.save(path('out/kept')),
    () => image.save(path('out/kept'), { format: 'docker' }),
  ])
    await expect(write()).rejects.toThrow();
  expect(readdirSync(path('out'))).toEqual(['kept']);
  expect(readFileSync(path('out/kept'), 'utf8')).toBe('as it was');
  expect(existsSync(path('host/flat')) ? readdirSync(path('host/flat')) : []).toEqual([]);
});
