import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { unpackInto, unpackWithTar, unpackWithUmoci } from '../../../support/layers.js';
import { makeScratch } from '../../../support/scratch.js';
import { readTree, type Tree } from '../../../support/tree.js';

let scratch: ReturnType<typeof makeScratch>;
let source: string;

function sh(script: string): void {
  execFileSync('bash', ['-euc', script], { cwd: source });
}

/** A file whose data are islands in holes. */
function sparse(path: string, size: number, islands: readonly number[]): void {
  const fd = openSync(join(source, path), 'w');
  ftruncateSync(fd, size);
  for (const [i, at] of islands.entries()) writeSync(fd, Buffer.alloc(5000, i + 1), 0, Math.min(5000, size - at), at);
  closeSync(fd);
}

/** One of everything that an image can hold. */
beforeAll(() => {
  scratch = makeScratch('fidelity');
  source = join(scratch.path, 'source');
  mkdirSync(join(source, 'usr/bin'), { recursive: true });
  mkdirSync(join(source, 'empty'));
  sh('touch -d "2001-02-03 04:05:06.789012345" empty');
  writeFileSync(join(source, 'usr/bin/program'), Buffer.alloc(1_300_001, 'cloister'));
  writeFileSync(join(source, 'usr/bin/small'), 'x');
  writeFileSync(join(source, 'usr/nothing'), '');
  sh(`chmod 4755 usr/bin/program; chmod 2711 usr/bin/small; chmod 0 usr/nothing; mkdir -m 1777 tmp; mkdir -m 2770 group
    chown 65534:4294967294 usr/bin/small; chown 4294967293:7 usr/nothing; chown 12:34 group; touch group/inside
    chmod 2755 usr/bin/small; mkdir -m 0 usr/closed; touch usr/closed/file; chown 1:2 usr/closed
    ln usr/bin/program usr/also; ln usr/bin/program empty/again; ln -s ../usr/bin/program tmp/link; ln -s /absolute tmp/gone
    chown -h 5:6 tmp/link; touch -h -d '1999-01-01 00:00:00.5' tmp/link
    ln tmp/link usr/hard-to-link; mknod usr/null c 1 3; mknod usr/disk b 259 1048575; mkfifo -m 620 usr/pipe
    chown 3:4 usr/null; chmod 4750 usr/pipe; touch -d '1931-01-01 12:00:00.000000001' usr/pipe
    touch -d '@-0.25' usr/bin/small; touch -d '2100-01-01 00:00:00.999999999' usr/nothing
    setfattr -n user.text -v 'a line
and another' usr/bin/program
    setfattr -n user.empty usr/nothing; setfattr -n trusted.binary -v 0x00ff0a3d00 usr/nothing
    setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 usr/bin/program
    setfattr -n trusted.link -v 0x01 -h tmp/link; setfattr -n user.on.directory -v y group
    setfattr -n trusted.on.device -v z usr/null`);
  sparse('sparse', 3_000_000, [0, 400_000, 1_500_000, 2_999_000]);
  sparse('holes-at-both-ends', 3_333_333, [65536]);
  sparse('only-a-hole', 5_000_000, []);
  sparse(
    'many-islands',
    900_000,
    Array.from({ length: 100 }, (_, i) => i * 8192),
  );
  const long = `${'directory-of-a-long-name-'.repeat(9)}x`;
  mkdirSync(join(source, long, long, long), { recursive: true });
  writeFileSync(join(source, long, long, long, long), 'deep');
  writeFileSync(Buffer.concat([Buffer.from(`${source}/not utf-8 `), Buffer.from([0xff, 0xc0, 0x0a, 0x5c])]), 'odd');
  sh(`ln -s '${'t'.repeat(300)}' long-target; ln '${long}/${long}/${long}/${long}' hard-to-a-long-name`);
  sh("touch -d '2020-01-01 00:00:00.123456789' . usr usr/bin group");
});

afterAll(() => scratch[Symbol.dispose]());

const ALL = ['--xattrs', '--xattrs-include=*', '--numeric-owner'];

function pack(name: string, program: string, args: readonly string[]): string {
  const archive = join(scratch.path, `${name}.tar`);
  execFileSync(program, [...args, '-cf', archive, '-C', source, '.'], { stdio: ['ignore', 'ignore', 'ignore'] });
  return archive;
}

async function unpacked(name: string, archive: string): Promise<Tree> {
  const directory = join(scratch.path, `${name}-here`);
  mkdirSync(directory, { mode: 0o700 });
  await unpackInto(directory, archive);
  return readTree(directory);
}

const FORMATS: readonly (readonly [string, string, readonly string[]])[] = [
  ['pax', 'tar', ['--format=pax', ...ALL]],
  ['pax, sparse 1.0', 'tar', ['--format=pax', '-S', '--sparse-version=1.0', ...ALL]],
  ['pax, sparse 0.1', 'tar', ['--format=pax', '-S', '--sparse-version=0.1', ...ALL]],
  ['pax, sparse 0.0', 'tar', ['--format=pax', '-S', '--sparse-version=0.0', ...ALL]],
  ['gnu', 'tar', ['--format=gnu', '--numeric-owner']],
  ['gnu, sparse', 'tar', ['--format=gnu', '-S', '--numeric-owner']],
  ['oldgnu, sparse', 'tar', ['--format=oldgnu', '-S', '--numeric-owner']],
  ['ordered by inode', 'tar', ['--format=pax', '--sort=inode', '-S', ...ALL]],
  ['bsdtar, pax', 'bsdtar', ['--format', 'pax', '--xattrs', '--numeric-owner']],
];

describe('equal to GNU tar', () => {
  test.each(FORMATS)('%s', async (name, program, args) => {
    const archive = pack(name, program, args);
    const peer = join(scratch.path, `${name}-tar`);
    mkdirSync(peer);
    unpackWithTar(peer, archive);
    expect(await unpacked(name, archive)).toEqual(readTree(peer));
  });

  test('what it was packed from, in the format that holds everything', async () => {
    const archive = pack('round', 'tar', ['--format=pax', '-S', ...ALL]);
    expect(await unpacked('round', archive)).toEqual(readTree(source));
  });

  test('ustar and v7, as far as they go', async () => {
    for (const format of ['ustar', 'v7']) {
      const archive = join(scratch.path, `${format}.tar`);
      execFileSync('tar', [
        `--format=${format}`,
        '--owner=0',
        '--group=0',
        '--mtime=2019-01-01',
        '-cf',
        archive,
        '-C',
        source,
        'usr/bin',
        'tmp',
      ]);
      const peer = join(scratch.path, `${format}-tar`);
      mkdirSync(peer);
      unpackWithTar(peer, archive);
      const options = { withoutTimes: (path: string) => ['', 'usr'].includes(path) };
      const directory = join(scratch.path, `${format}-here`);
      mkdirSync(directory);
      await unpackInto(directory, archive);
      const here = readTree(directory, options);
      expect(Object.keys(here)).toContain('usr/bin/program');
      expect(here).toEqual(readTree(peer, options));
    }
  });
});

describe('equal to umoci', () => {
  // It leaves out attributes without a value, which `usr/nothing` has.
  test.each([
    ['pax', ['--format=pax', ...ALL]],
    ['pax, sparse 1.0', ['--format=pax', '-S', '--sparse-version=1.0', ...ALL]],
    ['gnu', ['--format=gnu', '--numeric-owner']],
  ] as const)('%s', async (name, args) => {
    const archive = pack(`${name} umoci`, 'tar', [...args, '--exclude=./usr/nothing']);
    const peer = unpackWithUmoci(scratch.path, [readFileSync(archive)]);
    expect(await unpacked(`${name} umoci`, archive)).toEqual(readTree(peer));
  });
});
