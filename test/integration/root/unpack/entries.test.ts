import { lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Canary } from '../../../support/canary.js';
import { archive, directory, entry, file, hardLink, pax, symlink } from '../../../support/tar.js';

let canary: Canary;
beforeAll(() => void (canary = new Canary('entries')));
afterAll(() => canary[Symbol.dispose]());

const device = (path: string, major: number, minor: number, type = '3'): Buffer =>
  entry({ path, type, devMajor: major, devMinor: minor });

/** Type of every path but the layer's own. */
function types(): Record<string, string> {
  const { '': _, ...tree } = canary.tree();
  return Object.fromEntries(Object.entries(tree).map(([path, text]) => [path, text.split(' ')[0] ?? '']));
}

describe('the last one wins', () => {
  const KINDS = {
    file: file('x', 'new'),
    directory: directory('x'),
    link: symlink('x', '/etc'),
    // Opening these would hang, or write zeroes for ever.
    fifo: entry({ path: 'x', type: '6' }),
    char: device('x', 1, 5),
    block: device('x', 259, 0, '4'),
  };
  const pairs = Object.entries(KINDS).flatMap(([a, first]) =>
    Object.entries(KINDS).map(([b, second]) => [a, b, first, second] as const),
  );

  test.each(pairs)('%s, then %s', async (_, kind, first, second) => {
    await canary.unpack(archive(first, second));
    expect(types()).toEqual({ x: kind });
  });

  test.each(Object.entries(KINDS))('a directory with things in it, then %s', async (kind, second) => {
    const inside = [file('x/a/b/c', 'deep'), symlink('x/l', '..'), directory('x/closed', { mode: 0 })];
    await canary.unpack(archive(...inside, second));
    const kept = {
      x: 'directory',
      'x/a': 'directory',
      'x/a/b': 'directory',
      'x/a/b/c': 'file',
      'x/closed': 'directory',
      'x/l': 'link',
    };
    expect(types()).toEqual(kind === 'directory' ? kept : { x: kind });
  });

  test.each(Object.entries(KINDS))('%s, then a path through it', async (kind, first) => {
    await canary.unpack(archive(directory('etc'), first, file('x/y', 'ok')));
    if (kind === 'link') expect(types()).toEqual({ etc: 'directory', x: 'link', 'etc/y': 'file' });
    else expect(types()).toEqual({ etc: 'directory', x: 'directory', 'x/y': 'file' });
  });

  test('of files: contents and attributes', async () => {
    const first = file('x', 'a longer one', { mode: 0o4755, uid: 7, mtime: 5 });
    await canary.unpack(archive(pax([['SCHILY.xattr.user.a', 'b']]), first, file('x', 'new', { mode: 0o600 })));
    expect(canary.tree()['x']).toMatch(/^file 600 0:0 3 bytes \w+ time 1600000000000000000$/);
  });

  test('of directories: attributes, not contents', async () => {
    const again = directory('d', { mode: 0o700, uid: 1, gid: 2, mtime: 7 });
    await canary.unpack(archive(pax([['SCHILY.xattr.user.a', 'b']]), directory('d'), file('d/x'), again, file('d/y')));
    expect(canary.tree()['d']).toBe('directory 700 1:2 time 7000000000');
    expect(types()).toEqual({ d: 'directory', 'd/x': 'file', 'd/y': 'file' });
  });

  test('a thousand times over', async () => {
    const parts = Array.from({ length: 1000 }, (_, i) => file('d/x', `${i}`));
    await canary.unpack(archive(...parts));
    expect(readFileSync(join(canary.layer, 'd/x'), 'utf8')).toBe('999');
  });

  test('one of two names of a file: the other stays', async () => {
    await canary.unpack(archive(file('a', 'old'), hardLink('b', 'a'), file('a', 'new')));
    expect(readFileSync(join(canary.layer, 'b'), 'utf8')).toBe('old');
    expect(readFileSync(join(canary.layer, 'a'), 'utf8')).toBe('new');
  });
});

describe('hard links', () => {
  const sameFile = (a: string, b: string): boolean =>
    lstatSync(join(canary.layer, a)).ino === lstatSync(join(canary.layer, b)).ino;

  test.each([
    ['plain', [file('a/t', 'x'), hardLink('b/h', 'a/t')]],
    ['an absolute target', [file('a/t', 'x'), hardLink('b/h', '/a/t')]],
    ['a target with dots', [file('a/t', 'x'), hardLink('b/h', './c/../a/./t')]],
    ['a target behind a link', [file('a/t', 'x'), symlink('l', '/a'), hardLink('b/h', 'l/t')]],
    ['before its target', [hardLink('b/h', 'a/t'), file('a/t', 'x')]],
    ['over a file', [file('b/h', 'old'), file('a/t', 'x'), hardLink('b/h', 'a/t')]],
    ['over a directory', [file('b/h/x/y', 'old'), file('a/t', 'x'), hardLink('b/h', 'a/t')]],
    ['over a link', [symlink('b/h', '/a/t'), file('a/t', 'x'), hardLink('b/h', 'a/t')]],
    ['twice', [file('a/t', 'x'), hardLink('b/h', 'a/t'), hardLink('b/h', 'a/t')]],
    ['before its target, over a file', [file('b/h', 'old'), hardLink('b/h', 'a/t'), file('a/t', 'x')]],
  ] as const)('%s', async (_, parts) => {
    await canary.unpack(archive(...parts));
    expect(sameFile('a/t', 'b/h')).toBe(true);
    expect(readFileSync(join(canary.layer, 'b/h'), 'utf8')).toBe('x');
  });

  test('a chain in any order, and a later file of the same name', async () => {
    const names = Array.from({ length: 200 }, (_, i) => `n${i}`);
    const links = names.slice(1).map((name, i) => hardLink(name, names[i]!));
    await canary.unpack(archive(...links.toReversed(), file('n0', 'x')));
    expect(names.every((name) => sameFile('n0', name))).toBe(true);
    await canary.unpack(archive(...links, file('n0', 'x')));
    expect(names.every((name) => sameFile('n0', name))).toBe(true);
    await canary.unpack(archive(hardLink('h', 't'), file('h', 'later'), file('t', 'x')));
    expect(readFileSync(join(canary.layer, 'h'), 'utf8')).toBe('later');
  });

  test('of a link: the link itself, never what it points to', async () => {
    await canary.unpack(archive(symlink('s', `${canary.outside}/secret`), hardLink('h', 's'), file('s', 'evil')));
    expect(readlinkSync(join(canary.layer, 'h'))).toBe(`${canary.outside}/secret`);
    // What is written to the hard link takes its place.
    await canary.again(archive(file('h', 'evil')), { whiteouts: 'apply' });
    expect(readFileSync(join(canary.layer, 'h'), 'utf8')).toBe('evil');
  });

  test('to itself', async () => {
    await canary.unpack(archive(file('a', 'x'), hardLink('a', './a')));
    expect(readFileSync(join(canary.layer, 'a'), 'utf8')).toBe('x');
  });

  const outside = '/var/tmp';
  test.each([
    ['out of the layer', [hardLink('h', '../outside/secret')], /hard link's target leads out of the layer/],
    ['to nothing', [hardLink('h', 'nothing')], /a hard link to something that is not in the layer/],
    ['to an absolute path', [hardLink('h', `${outside}/x`)], /not in the layer/],
    ['through a link', [symlink('l', outside), hardLink('h', 'l/x')], /not in the layer/],
    ['to a directory', [directory('d'), hardLink('h', 'd')], /a hard link to a directory/],
    ['to the layer', [hardLink('h', '.')], /a hard link to a directory/],
    ['to itself, which is nothing', [hardLink('h', 'h')], /not in the layer/],
    ['in a circle', [hardLink('a', 'b'), hardLink('b', 'a')], /not in the layer/],
    ['into the directory it replaces', [file('d/x'), hardLink('d', 'd/x')], /not in the layer/],
    ['to a whiteout', [file('.wh.x'), hardLink('h', '.wh.x')], /not in the layer/],
    ['to a name of 256 bytes', [pax([['linkpath', 'n'.repeat(256)]]), hardLink('h', '')], /more than 255 bytes/],
  ] as const)('refused: %s', async (_, parts, reason) => {
    expect(await canary.refusal(archive(...parts))).toMatch(reason);
  });
});

describe('any order', () => {
  test('children first, times of directories last', async () => {
    await canary.unpack(
      archive(
        file('a/b/c/x', 'x', { mtime: 1 }),
        directory('a/b/c', { mode: 0o500, mtime: 2 }),
        file('a/b/y', 'y', { mtime: 3 }),
        directory('a', { mode: 0o2755, gid: 9, mtime: 4 }),
        directory('a/b', { mtime: 5, uid: 3 }),
        file('a/b/c/z', 'z', { mtime: 6 }),
        symlink('a/l', 'b', { mtime: 7 }),
      ),
    );
    const tree = canary.tree();
    expect(tree['a']).toBe('directory 2755 0:9 time 4000000000');
    expect(tree['a/b']).toBe('directory 755 3:0 time 5000000000');
    expect(tree['a/b/c']).toBe('directory 500 0:0 time 2000000000');
    expect(tree['a/b/c/z']).toMatch(/^file 644 0:0 1 bytes \w+ time 6000000000$/);
    expect(tree['a/l']).toBe('link 777 0:0 -> b time 7000000000');
  });

  test('directories that nobody describes are the same each time', async () => {
    const result = await canary.unpack(archive(file('a/b/x', 'x')));
    expect(result).toMatchObject({ entries: 3, impliedDirectories: 2, hasRoot: false });
    expect(canary.tree()['a/b']).toBe('directory 755 0:0 time 0');
  });

  test('many files in many directories, some of them large, with any number of threads', async () => {
    const parts: Buffer[] = [];
    for (let i = 0; i < 400; i++) parts.push(file(`d${i % 37}/f${i}`, Buffer.alloc((i * 7919) % 30_000, i)));
    for (let i = 0; i < 3; i++) parts.splice(100 * i, 0, file(`large${i}`, Buffer.alloc(3 * 2 ** 20 + i, i)));
    const trees = [];
    for (const threads of [1, 2, 5, 100]) {
      await canary.unpack(archive(...parts), { threads });
      trees.push(canary.tree({ withoutTimes: (path) => path === '' }));
    }
    expect(Object.keys(trees[0]!)).toHaveLength(1 + 400 + 3 + 37);
    for (const tree of trees) expect(tree).toEqual(trees[0]);
  });
});
