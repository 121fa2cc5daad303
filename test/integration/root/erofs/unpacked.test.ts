import { closeSync, openSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CloisterError } from '../../../../lib/errors.js';
import { unpackTar } from '../../../../lib/native/layers.js';
import { makeDirectory, makeIndex, withMounted } from '../../../support/erofs.js';
import { archive, base256, directory, END, entry, file, hardLink, header, pax, symlink } from '../../../support/tar.js';
import { readMount, readTree, type Tree } from '../../../support/tree-facts.js';

let scratch: Awaited<ReturnType<typeof makeDirectory>>;
let last = 0;

beforeAll(async () => {
  scratch = await makeDirectory('erofs-unpacked');
});

afterAll(() => scratch[Symbol.asyncDispose]());

/** Without what is the caller's: times of whiteouts, and the root. */
function comparable(tree: Tree): Tree {
  const entries = Object.entries(tree).filter(([path]) => path !== '');
  return Object.fromEntries(
    entries.map(([path, facts]) => [path, facts.device === '0:0' ? { ...facts, mtimeNs: 'any' } : facts]),
  );
}

/** The kind of fault, without its offset. */
const faultOf = (error: unknown): string => {
  if (!CloisterError.is(error) || error.code !== 'ERR_LAYER_INVALID') throw error;
  return error.code;
};

async function expectSame(...parts: readonly Uint8Array[]): Promise<'unpacked' | 'refused'> {
  const path = join(scratch.path, String(++last));
  const tar = `${path}.tar`;
  writeFileSync(tar, Buffer.concat(parts));
  await mkdir(path);
  const [input, target] = [openSync(tar, 'r'), openSync(path, 'r')];
  const unpacked = await unpackTar(input, target)
    .then(() => 'unpacked' as const, faultOf)
    .finally(() => [input, target].forEach((fd) => closeSync(fd)));
  if (unpacked !== 'unpacked') {
    expect(await makeIndex(tar).then(() => 'indexed', faultOf)).toBe(unpacked);
    return 'refused';
  }
  const expected = comparable(await readTree(path));
  await withMounted(tar, async (mount) => expect(comparable(await readMount(mount))).toEqual(expected));
  return 'unpacked';
}

describe('an index is refused where the unpacker refuses', () => {
  const long = Buffer.alloc(256, 'n').toString();
  for (const [what, ...parts] of [
    ['a path that climbs out', file('../x'), END],
    ['a link whose target climbs out', hardLink('x', '../../etc/passwd'), END],
    ['a hard link to nothing', hardLink('x', 'y'), END],
    ['a hard link to what a whiteout names', file('.wh.y'), hardLink('x', 'y'), END],
    ['a hard link to a directory', directory('d'), hardLink('x', 'd'), END],
    ['a hard link to the root', hardLink('x', '.'), END],
    ['a hard link out of the directory whose place it takes', directory('d'), file('d/f'), hardLink('d', 'd/f'), END],
    ['the root as a file', file('./'), END],
    ['the root as a link', symlink('/', '/etc'), END],
    ['links in a circle', symlink('a', 'b'), symlink('b', 'a'), file('a/x'), END],
    ['a whiteout of the directory above', directory('d'), file('d/.wh...'), END],
    ['a whiteout of nothing', file('.wh.'), END],
    ['a path through a whiteout', file('.wh.d/x'), END],
    ['a name of 256 bytes', pax([['path', long]]), file('x'), END],
    ['a path of 5,000 bytes', pax([['path', 'd/'.repeat(2500)]]), directory('x'), END],
    ['a tree of 1,100 levels', pax([['path', 'd/'.repeat(1100)]]), directory('x'), END],
    ['an owner that is none', file('x', '', { uid: base256(2n ** 32n - 1n, 8) }), END],
    ['a device number beyond those of Linux', entry({ path: 'x', type: '3', devMajor: 4096 }), END],
    ['a link to nothing', symlink('x', ''), END],
    ['capabilities that are none', pax([['SCHILY.xattr.security.capability', 'x']]), file('x'), END],
    ['an access list that is none', pax([['SCHILY.xattr.system.posix_acl_access', 'x']]), file('x'), END],
    ['an attribute without a name', pax([['SCHILY.xattr.user.', 'x']]), file('x'), END],
    ['an archive that ends inside of a file', header({ path: 'x', size: 5000 }), Buffer.alloc(512)],
    ['an archive that ends inside of a header', file('x'), Buffer.alloc(100, 'x')],
    ['an entry of an unknown type', entry({ path: 'x', type: 'Q' }), END],
    ['a checksum that is wrong', file('x', '', { checksum: Buffer.from('000000\0 ') }), END],
  ] as readonly (readonly [string, ...Uint8Array[]])[]) {
    test(what, async () => {
      expect(await expectSame(...parts)).toBe('refused');
    });
  }

  test('more entries, or more bytes, than allowed', async () => {
    const path = join(scratch.path, 'limits.tar');
    writeFileSync(path, archive(file('a/b/c', 'four')));
    await expect(makeIndex(path, { maxEntries: 2 })).rejects.toMatchObject({ code: 'ERR_LAYER_INVALID' });
    await expect(makeIndex(path, { maxBytes: 3 })).rejects.toMatchObject({ code: 'ERR_LAYER_INVALID' });
    expect(await makeIndex(path, { maxEntries: 3, maxBytes: 4 })).toMatchObject({ entries: 3 });
  });

  test('holes whose map would be larger than allowed', async () => {
    const runs = Array.from({ length: 40 }, (_, i) => `${i * 2 ** 48 + 1},1`).join(',');
    const sparse = pax([
      ['GNU.sparse.major', '0'],
      ['GNU.sparse.minor', '1'],
      ['GNU.sparse.size', String(40 * 2 ** 48)],
      ['GNU.sparse.map', runs],
    ]);
    const path = join(scratch.path, 'holes.tar');
    writeFileSync(path, archive(sparse, file('x', Buffer.alloc(40))));
    await expect(makeIndex(path, { maxBytes: 2 ** 60 })).rejects.toMatchObject({
      code: 'ERR_LAYER_INVALID',
      message: expect.stringContaining('holes') as string,
    });
  });
});

describe('odd archives mean the same to both', () => {
  const cases: readonly (readonly [string, ...Uint8Array[]])[] = [
    ['nothing', END],
    ['no end', file('x', 'x')],
    ['absolute paths and dots', file('/a/./b/../c', 'c'), directory('//d//'), file('e/../f', 'f')],
    ['later entries win', file('a', '1'), directory('a'), file('a/b', '2'), file('a', '3')],
    ['a directory again', directory('d', { mode: 0o700 }), file('d/f'), directory('d', { mode: 0o711, uid: 5 })],
    ['a path through a file', file('a', 'a'), file('a/b', 'b')],
    ['a path through links', symlink('lib', 'usr/lib'), directory('usr/lib'), file('lib/x', 'x'), file('usr/lib/y')],
    ['a path through a link that climbs', directory('d'), symlink('d/up', '../../../..'), file('d/up/etc/x', 'x')],
    ['a path through a link to nothing', symlink('a', '/b/c'), file('a/d', 'd')],
    ['links before their targets', hardLink('a', 'b'), hardLink('b', 'c'), file('c', 'c'), hardLink('d', 'a')],
    ['links to links', symlink('s', 'x'), hardLink('h', 's'), file('x'), hardLink('i', 'x')],
    ['a link to itself', file('a', 'a'), hardLink('a', 'a')],
    ['a replaced target', file('a', '1'), hardLink('b', 'a'), file('a', '2')],
    ['whiteouts around files', file('.wh.a'), file('a', 'a'), file('b', 'b'), file('.wh.b'), file('.wh.c')],
    ['whiteouts around directories', file('.wh.d'), directory('d'), directory('e'), file('e/f'), file('.wh.e')],
    ['whiteouts in what a whiteout removed', file('.wh.d'), file('d/.wh.x'), file('d/e/.wh..wh..opq')],
    ['whiteouts in what a whiteout then removes', file('d/.wh.x'), file('d/e/.wh..wh..opq'), file('.wh.d')],
    ['whiteouts in what is a file', file('a', 'a'), file('a/.wh.x'), file('a/b/.wh..wh..opq')],
    ['a whiteout of a directory that has a file as well', file('d/.wh.x'), file('d/f'), file('.wh.d')],
    [
      'whiteouts inside of opaque ones',
      directory('d'),
      file('d/.wh..wh..opq'),
      file('d/.wh.x'),
      directory('d/e'),
      file('d/e/.wh.y'),
    ],
    ["AUFS's own", file('.wh..wh.aufs'), directory('.wh..wh.plnk'), file('.wh..wh.plnk/1')],
    ['the root', directory('./', { mode: 0o700, uid: 7 }), file('x')],
    ['devices', entry({ path: 'c', type: '3', devMajor: 5, devMinor: 300 }), entry({ path: 'p', type: '6' })],
    [
      'attributes that are not for everybody',
      pax([
        ['SCHILY.xattr.user.a', '1'],
        ['SCHILY.xattr.other.b', '2'],
        ['SCHILY.xattr.security.selinux', '3'],
      ]),
      symlink('l', 'x'),
    ],
    ['large numbers', file('x', 'x', { uid: base256(3_000_000_000n, 8), mtime: base256(-5n, 12), format: 'gnu' })],
  ];
  for (const [what, ...parts] of cases) {
    test(what, async () => {
      expect(await expectSame(...parts)).toBe('unpacked');
    });
  }
});

test('random archives mean the same to both', async () => {
  const name = fc.constantFrom('a', 'b', 'c', '.wh.a', '.wh..wh..opq', '..');
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));
  const one = fc.oneof(
    { weight: 3, arbitrary: fc.tuple(path, fc.string({ maxLength: 3 })).map(([to, data]) => file(to, data)) },
    { weight: 3, arbitrary: path.map((to) => directory(to)) },
    fc.tuple(path, path).map(([to, target]) => symlink(to, target)),
    fc.tuple(path, path).map(([to, target]) => hardLink(to, target)),
    path.map((to) => entry({ path: to, type: '6' })),
  );
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(one, { minLength: 3, maxLength: 12 }), async (parts) => {
      seen.add(await expectSame(...parts, END));
    }),
    { seed: 20_261_125, numRuns: 40, endOnFailure: true },
  );
  expect([...seen].sort()).toEqual(['refused', 'unpacked']);
});
