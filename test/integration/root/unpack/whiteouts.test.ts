import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Canary } from '../../../support/canary.js';
import { unpackInto } from '../../../support/layers.js';
import { archive, directory, entry, file, hardLink, pax, symlink } from '../../../support/tar.js';
import { readTree, type Tree } from '../../../support/tree.js';

let canary: Canary;
beforeAll(() => void (canary = new Canary('whiteouts')));
afterAll(() => canary[Symbol.dispose]());

const whiteout = (path: string): Buffer => file(path.replace(/([^/]+)$/, '.wh.$1'));
const opaque = (path: string): Buffer => file(`${path}/.wh..wh..opq`);

/** Type of every path, with an `o` behind it when it is opaque. */
function shape(tree: Tree): Record<string, string> {
  return Object.fromEntries(
    Object.entries(tree)
      .filter(([path]) => path !== '')
      .map(([path, text]) => [
        path,
        (/^char 0 0:0 dev 0/.test(text) ? 'whiteout' : (text.split(' ')[0] ?? '')) +
          (text.includes('trusted.overlay.opaque=0x79') ? ' o' : ''),
      ]),
  );
}

async function apply(layers: readonly Uint8Array[]): Promise<string> {
  const root = canary.renew();
  for (const layer of layers) await unpackInto(root, layer, { whiteouts: 'apply' });
  return root;
}

test('applied: an archive may say as often as it likes that a directory is opaque', async () => {
  const own = Array.from({ length: 200 }, (_, i) => [file(`d/f${i}`), opaque('d'), whiteout('d')]).flat();
  const root = await apply([archive(file('d/old'), file('d/sub/old')), archive(file('d/sub/new'), ...own)]);
  expect(Object.keys(readTree(join(root, 'd')))).toHaveLength(203);
  expect(Object.keys(readTree(join(root, 'd/sub')))).toEqual(['', 'new']);
});

describe('as overlayfs reads them', () => {
  test.each([
    ['a name', [whiteout('d/x')], { d: 'directory', 'd/x': 'whiteout' }],
    ['a directory', [directory('d'), opaque('d'), file('d/x')], { d: 'directory o', 'd/x': 'file' }],
    ['a directory, afterwards', [directory('d'), file('d/x'), opaque('d')], { d: 'directory o', 'd/x': 'file' }],
    ['a directory that nobody describes', [opaque('d')], { d: 'directory o' }],
    ['a name and a new file', [whiteout('x'), file('x')], { x: 'file' }],
    ['a new file and its name', [file('x'), whiteout('x')], { x: 'file' }],
    ['a name and a new directory', [whiteout('d'), directory('d'), file('d/x')], { d: 'directory o', 'd/x': 'file' }],
    ['a new directory and its name', [directory('d'), file('d/x'), whiteout('d')], { d: 'directory o', 'd/x': 'file' }],
    ['a name and something below it', [whiteout('d'), file('d/x')], { d: 'directory o', 'd/x': 'file' }],
    ['something below and the name', [file('d/x'), whiteout('d')], { d: 'directory o', 'd/x': 'file' }],
    ['a file that becomes a directory', [file('d'), directory('d')], { d: 'directory o' }],
    ['names in an opaque directory', [whiteout('d/x'), opaque('d'), whiteout('d/y')], { d: 'directory o' }],
    [
      'names deep in an opaque directory',
      [whiteout('d/e/x'), directory('d/e'), opaque('d')],
      { d: 'directory o', 'd/e': 'directory' },
    ],
    ['a name twice', [whiteout('x'), whiteout('x')], { x: 'whiteout' }],
    ['a name, a link, a name', [whiteout('x'), symlink('x', 'y'), whiteout('x')], { x: 'link' }],
    ['a name whatever its type', [directory('.wh.a'), symlink('.wh.b', '/etc')], { a: 'whiteout', b: 'whiteout' }],
    ['a name with data', [file('.wh.a', Buffer.alloc(5000)), file('x')], { a: 'whiteout', x: 'file' }],
    [
      'behind a link',
      [directory('d'), symlink('l', '/d'), file('l/.wh.x'), file('l/.wh..wh..opq')],
      { d: 'directory o', l: 'link' },
    ],
    [
      'of an opaque directory that became a file',
      [directory('d'), opaque('d'), file('d'), directory('e')],
      { d: 'file', e: 'directory' },
    ],
    ['a directory and all that was in it', [whiteout('d'), whiteout('d/x'), opaque('d/y')], { d: 'whiteout' }],
    ['all that was in a directory, and it', [whiteout('d/x'), opaque('d/y'), whiteout('d')], { d: 'whiteout' }],
    ['what was in something that is a file now', [file('d'), whiteout('d/x')], { d: 'file' }],
    ['AUFS’s own', [file('.wh..wh.plnk/1.2'), file('.wh..wh.aufs'), directory('.wh..wh.orph')], {}],
  ] as const)('%s', async (_, parts, expected) => {
    await canary.unpack(archive(...parts));
    expect(shape(canary.tree())).toEqual(expected);
  });

  test('of the whole layer below', async () => {
    const { whiteouts } = await canary.unpack(archive(file('x'), file('.wh..wh..opq'), file('.wh.y')));
    expect(whiteouts).toBe(2);
    expect(shape(canary.tree())).toEqual({ x: 'file' });
    expect(canary.tree()['']).toContain('trusted.overlay.opaque=0x79');
  });

  test('a hard link to what was taken away', async () => {
    expect(await canary.refusal(archive(whiteout('x'), hardLink('y', 'x')))).toMatch(/not in the layer/);
  });
});

describe('names that are tricks', () => {
  test.each([
    ['.wh.', /a whiteout of nothing/],
    ['a/.wh.', /a whiteout of nothing/],
    ['.wh..', /a whiteout of a directory's own name/],
    ['.wh...', /a whiteout of a directory's own name/],
    ['a/.wh...', /a whiteout of a directory's own name/],
    ['a/.wh..', /a whiteout of a directory's own name/],
    ['.wh./x', /its path leads through a whiteout/],
    ['.wh.x/y', /its path leads through a whiteout/],
    ['a/.wh.../secret', /its path leads through a whiteout/],
    ['../.wh.outside', /its path leads out of the layer/],
    ['.wh.x/../../outside', /its path leads out of the layer/],
    [`.wh.${'n'.repeat(252)}`, /a name of more than 255 bytes/],
  ])('refused: %s', async (path, reason) => {
    const bad = archive(pax([['path', path]]), file(''));
    expect(await canary.refusal(bad)).toMatch(reason);
    expect(await canary.refusal(bad, { whiteouts: 'apply' })).toMatch(reason);
  });

  test('behind links to the outside', async () => {
    const parts = [symlink('l', canary.outside), symlink('r', '../outside'), symlink('f', `${canary.outside}/secret`)];
    const tricks = [
      'l/.wh.secret',
      'l/.wh..wh..opq',
      'r/.wh.directory',
      'r/directory/.wh..wh..opq',
      'f/.wh.x',
      '.wh.f',
    ];
    for (const trick of tricks) {
      await canary.unpack(archive(...parts), { whiteouts: 'apply' });
      await canary.again(archive(file(trick)), { whiteouts: 'apply' });
      await canary.unpack(archive(...parts, file(trick)));
    }
  });
});

describe('applied', () => {
  const lower = archive(
    directory('d'),
    file('d/a', '1'),
    file('d/b', '2'),
    file('d/e/f', '3'),
    file('f', '4'),
    symlink('l', 'd'),
    entry({ path: 'p', type: '6' }),
  );
  const all = {
    d: 'directory',
    'd/a': 'file',
    'd/b': 'file',
    'd/e': 'directory',
    'd/e/f': 'file',
    f: 'file',
    l: 'link',
    p: 'fifo',
  };
  const without = (...gone: string[]): Record<string, string> =>
    Object.fromEntries(Object.entries(all).filter(([path]) => !gone.some((each) => `${path}/`.startsWith(`${each}/`))));

  test.each([
    ['nothing', [], all],
    ['a file', [whiteout('d/a')], without('d/a')],
    ['a directory', [whiteout('d')], without('d')],
    ['a link, not its target', [whiteout('l')], without('l')],
    ['a FIFO', [whiteout('p')], without('p')],
    ['what is not there', [whiteout('x'), whiteout('x/y'), opaque('z'), whiteout('f/g')], all],
    ['all of a directory', [opaque('d')], without('d/a', 'd/b', 'd/e')],
    ['behind a link', [whiteout('l/a')], without('d/a')],
    ['all but what the layer brings', [file('d/a', 'new'), opaque('d')], without('d/b', 'd/e')],
    ['all but what the layer brings, first', [opaque('d'), file('d/a', 'new')], without('d/b', 'd/e')],
    ['all but what is deep', [file('d/e/g'), opaque('d')], { ...without('d/a', 'd/b', 'd/e/f'), 'd/e/g': 'file' }],
    [
      'a directory that the layer goes on with',
      [file('d/n'), whiteout('d')],
      { ...without('d/a', 'd/b', 'd/e'), 'd/n': 'file' },
    ],
    [
      'a directory that the layer makes anew',
      [whiteout('d'), file('d/n')],
      { ...without('d/a', 'd/b', 'd/e'), 'd/n': 'file' },
    ],
    ['a file that the layer brings', [file('f', 'new'), whiteout('f')], all],
    ['by a directory', [directory('f')], { ...all, f: 'directory' }],
    ['by something below', [file('f/g')], { ...all, f: 'directory', 'f/g': 'file' }],
  ] as const)('%s', async (_, parts, expected) => {
    const root = await apply([lower, archive(...parts)]);
    expect(shape(readTree(root))).toEqual(expected);
  });

  test('a hard link means the layer’s own file, also when that comes later', async () => {
    const root = await apply([archive(file('t', 'old')), archive(hardLink('h', 't'), file('t', 'new'))]);
    expect(readFileSync(join(root, 'h'), 'utf8')).toBe('new');
    const lowerOnly = await apply([archive(file('t', 'old')), archive(hardLink('h', 't'))]);
    expect(readFileSync(join(lowerOnly, 'h'), 'utf8')).toBe('old');
  });

  test('directories keep times that no entry changes', async () => {
    const root = await apply([
      archive(directory('d', { mtime: 5 }), file('d/a')),
      archive(file('d/b'), whiteout('d/a')),
    ]);
    expect(readTree(root)['d']).toContain('time 5000000000');
  });
});
