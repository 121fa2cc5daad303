import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Canary } from '../../../support/canary.js';
import { archive, base256, BLOCK, END, entry, file, gnuLong, header, padded, pax } from '../../../support/tar.js';

let canary: Canary;
beforeAll(() => void (canary = new Canary('formats')));
afterAll(() => canary[Symbol.dispose]());

const inside = (path: string): string => readFileSync(join(canary.layer, path), 'utf8');
const names = (): string[] =>
  Object.keys(canary.tree())
    .filter((path) => path !== '')
    .sort();

describe('headers', () => {
  test.each([
    ['ustar', file('name', 'x', { prefix: 'some/where' }), 'some/where/name'],
    [
      'star: its prefix is shorter',
      file('name', 'x', { format: 'star', prefix: 'p'.repeat(140) }),
      `${'p'.repeat(131)}/name`,
    ],
    [
      'gnu: no prefix, but times',
      file('name', 'x', { format: 'gnu', prefix: '00000000001\u000000000000002\0' }),
      'name',
    ],
    ['gnu as Go 1.7 wrote it', file('name', 'x', { format: 'gnu', prefix: 'some/where' }), 'some/where/name'],
    ['v7', file('name', 'x', { format: 'v7' }), 'name'],
    ['v7 with something after it', file('name', 'x', { format: 'v7', edit: (block) => block.fill(7, 345) }), 'name'],
    ['contiguous', file('name', 'x', { type: '7' }), 'name'],
    ['old type', file('name', 'x', { type: '\0' }), 'name'],
    ['sum of signed bytes', file(Buffer.from('n\xffme', 'latin1'), 'x', { checksum: 'signed' }), 'n\xffme'],
    ['sum of unsigned bytes', file(Buffer.from('n\xffme', 'latin1'), 'x'), 'n\xffme'],
    [
      'padded with spaces',
      file('name', 'x', { mode: Buffer.from('   644 \0'), size: Buffer.from('          1 ') }),
      'name',
    ],
    ['empty numbers', file('name', '', { uid: Buffer.alloc(8), gid: Buffer.from('        ') }), 'name'],
    ['a size in base 256', file('name', 'x', { size: base256(1n, 12), format: 'gnu' }), 'name'],
    ['Solaris’s extended header', Buffer.concat([pax([['path', 'name']], 'X'), file('other', 'x')]), 'name'],
    ['long name', Buffer.concat([gnuLong('L', `${'d/'.repeat(200)}x`), file('other', 'x')]), `${'d/'.repeat(200)}x`],
    ['long name over path', Buffer.concat([pax([['path', 'pax']]), gnuLong('L', 'gnu'), file('o', 'x')]), 'gnu'],
    [
      'the last of two records',
      Buffer.concat([
        pax([
          ['path', 'a'],
          ['path', 'b'],
        ]),
        file('o', 'x'),
      ]),
      'b',
    ],
    ['the last of two headers', Buffer.concat([pax([['path', 'a']]), pax([['mtime', '1']]), file('o', 'x')]), 'o'],
    [
      'an empty record',
      Buffer.concat([
        pax([
          ['path', 'a'],
          ['path', ''],
        ]),
        file('o', 'x'),
      ]),
      'o',
    ],
    ['a size in words', Buffer.concat([pax([['size', '1']]), header({ path: 'o', size: 600 }), padded('x')]), 'o'],
    ['no records', Buffer.concat([entry({ path: 'p', type: 'x' }), file('o', 'x')]), 'o'],
    [
      'records nobody knows',
      Buffer.concat([
        pax([
          ['hdrcharset', 'BINARY'],
          ['X.y', '\n='],
        ]),
        file('o', 'x'),
      ]),
      'o',
    ],
  ])('%s', async (_, part, path) => {
    await canary.unpack(archive(part, file('after', 'y')));
    expect(names()).toContain(path);
    expect(inside('after')).toBe('y');
  });

  test('an old directory is a name with a slash', async () => {
    await canary.unpack(archive(entry({ path: 'd/', type: '\0', format: 'v7' }), file('f/', 'x'), file('after')));
    const tree = canary.tree();
    expect(tree['d']).toContain('directory');
    expect(tree['f']).toContain('file');
  });

  test('only files have data, whatever a size says', async () => {
    const sizes = { size: 5000 };
    const parts = [header({ path: 'd', type: '5', ...sizes }), header({ path: 'l', type: '2', link: 'x', ...sizes })];
    await canary.unpack(archive(...parts, header({ path: 'p', type: '6', ...sizes }), file('after', 'y')));
    expect(names()).toEqual(['after', 'd', 'l', 'p']);
  });

  test('a global header changes nothing, as in every engine', async () => {
    const global = pax(
      [
        ['path', 'evil'],
        ['uid', '7'],
        ['size', '0'],
      ] as const,
      'g',
    );
    await canary.unpack(archive(global, file('a', 'x'), pax([['path', 'lost']]), global, file('b', 'y')));
    expect(names()).toEqual(['a', 'b']);
    expect(canary.tree()['a']).toContain('0:0 1 bytes');
    expect(await canary.refusal(archive(pax([['mtime', 'x']], 'g'), file('a')))).toMatch(/a time in the extended/);
  });

  const flipped = (at: number): Buffer => {
    const block = header({ path: 'x' });
    block[at] = (block[at] ?? 0) ^ 1;
    return block;
  };
  test.each([
    ['a checksum that is wrong', archive(flipped(3)), /byte 0: the header's checksum does not match/],
    ['no checksum', archive(file('x', '', { checksum: Buffer.alloc(8) })), /checksum/],
    ['a checksum in base 256', archive(file('x', '', { checksum: base256(5000n, 8) })), /checksum/],
    ['a mode that is no number', archive(file('x', '', { mode: Buffer.from('rwxr-x') })), /mode is no number/],
    ['a size that is no number', archive(file('x', '', { size: Buffer.from('12 34') })), /size is no number/],
    ['a time of 96 bits', archive(file('x', '', { mtime: Buffer.alloc(12, 0xbf) })), /mtime is no number/],
    ['an unknown type', archive(entry({ path: 'x', type: 'Z' })), /"x": an entry of a type that is none/],
    ['a multi-volume archive', archive(entry({ path: 'x', type: 'M' })), /of a type that is none/],
    ['a volume label', archive(entry({ path: 'x', type: 'V' })), /of a type that is none/],
    ['no archive', Buffer.alloc(2048, 'This is no archive. '), /checksum/],
    ['a block of zeroes amid', Buffer.concat([file('x'), Buffer.alloc(BLOCK), file('y')]), /single block of zeroes/],
  ])('refused: %s', async (_, bad, reason) => {
    expect(await canary.refusal(bad)).toMatch(reason);
  });
});

describe('the end', () => {
  test.each([
    ['two blocks of zeroes', [END]],
    ['one', [END.subarray(BLOCK)]],
    ['none', []],
    ['whatever follows', [END, Buffer.alloc(100_000, 'trailing garbage')]],
    ['another archive', [END, file('other'), END]],
  ])('%s', async (_, parts) => {
    await canary.unpack(Buffer.concat([file('x', 'y'), ...parts]));
    expect(names()).toEqual(['x']);
  });

  test('no entries at all, and no bytes', async () => {
    expect(await canary.unpack(END)).toMatchObject({ entries: 0, bytes: 0 });
    expect(await canary.unpack(Buffer.alloc(0))).toMatchObject({ entries: 0 });
  });

  test('the last data without their padding', async () => {
    await canary.unpack(Buffer.concat([header({ path: 'x', size: 3 }), Buffer.from('abc')]));
    expect(inside('x')).toBe('abc');
  });

  test.each([
    [
      'inside of data',
      Buffer.concat([header({ path: 'x', size: 4 }), Buffer.from('abc')]),
      /"x": the archive ends ins/,
    ],
    ['inside of a header', file('x').subarray(0, 300), /byte 0: the archive ends inside of a header/],
    ['inside of the end', END.subarray(0, 700), /ends inside of its end mark/],
    ['inside of an extended header', pax([['path', 'x']]).subarray(0, 515), /ends inside of an extended header/],
    ['after an extended header', archive(pax([['path', 'x']])), /ends after an extended header/],
    ['after a long name', gnuLong('L', 'x'), /ends after an extended header/],
    [
      'megabytes too late',
      Buffer.concat([END, Buffer.alloc(64 * 2 ** 20 + 1)]),
      /too much data after the archive's end/,
    ],
  ])('refused: %s', async (_, bad, reason) => {
    expect(await canary.refusal(bad)).toMatch(reason);
  });
});
