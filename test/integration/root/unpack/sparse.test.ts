import { openSync, closeSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Canary } from '../../../support/canary.js';
import { archive, base256, entry, file, header, padded, pax, type Fields } from '../../../support/tar.js';

let canary: Canary;
beforeAll(() => void (canary = new Canary('sparse')));
afterAll(() => canary[Symbol.dispose]());

type Runs = readonly (readonly [number | bigint, number | bigint])[];

/** 0.1: the map in one record. */
function withRecord(runs: Runs, size: number | bigint, data: string): Buffer {
  const map = runs.flat().join(',');
  return Buffer.concat([
    pax([
      ['GNU.sparse.major', '0'],
      ['GNU.sparse.minor', '1'],
      ['GNU.sparse.name', 'x'],
      ['GNU.sparse.realsize', `${size}`],
      ['GNU.sparse.map', map],
    ]),
    file('GNUSparseFile.0/x', data),
  ]);
}

/** 1.0: the map in front of the data. */
function withLines(lines: string, size: number | bigint, data: string): Buffer {
  return Buffer.concat([
    pax([
      ['GNU.sparse.major', '1'],
      ['GNU.sparse.minor', '0'],
      ['GNU.sparse.name', 'x'],
      ['GNU.sparse.realsize', `${size}`],
    ]),
    entry(
      { path: 'GNUSparseFile.0/x', size: padded(lines).length + data.length },
      Buffer.concat([padded(lines), Buffer.from(data)]),
    ),
  ]);
}

/** The old format: four runs in the header, more in blocks after it. */
function withBlocks(runs: Runs, size: number | bigint, data: string, more: Fields = {}): Buffer {
  const number = (value: number | bigint): Buffer => base256(BigInt(value), 12);
  const pairs = runs.map(([offset, length]) => Buffer.concat([number(offset), number(length)]));
  const edit = (block: Buffer): void => {
    pairs.slice(0, 4).forEach((pair, i) => pair.copy(block, 386 + 24 * i));
    block[482] = pairs.length > 4 ? 1 : 0;
    number(size).copy(block, 483);
  };
  const blocks: Buffer[] = [];
  for (let i = 4; i < pairs.length; i += 21) {
    const block = Buffer.alloc(512);
    pairs.slice(i, i + 21).forEach((pair, j) => pair.copy(block, 24 * j));
    block[504] = pairs.length > i + 21 ? 1 : 0;
    blocks.push(block);
  }
  const head = header({ path: 'x', type: 'S', format: 'gnu', size: Buffer.byteLength(data), edit, ...more });
  return Buffer.concat([head, ...blocks, padded(data)]);
}

function at(offset: number, length: number): string {
  const fd = openSync(join(canary.layer, 'x'), 'r');
  const buffer = Buffer.alloc(length);
  readSync(fd, buffer, 0, length, offset);
  closeSync(fd);
  return buffer.toString();
}

describe('sparse files', () => {
  const runs: Runs = [
    [3, 2],
    [10, 1],
    [100, 3],
  ];
  test.each([
    ['one record', withRecord(runs, 200, 'abcdef')],
    ['lines', withLines('3\n3\n2\n10\n1\n100\n3\n', 200, 'abcdef')],
    ['blocks', withBlocks(runs, 200, 'abcdef')],
    [
      'records',
      Buffer.concat([
        pax([
          ['GNU.sparse.size', '200'],
          ['GNU.sparse.numblocks', '3'],
          ...runs.flatMap(([o, n]) => [
            ['GNU.sparse.offset', `${o}`] as const,
            ['GNU.sparse.numbytes', `${n}`] as const,
          ]),
        ]),
        file('x', 'abcdef'),
      ]),
    ],
  ])('%s', async (_, part) => {
    const { bytes } = await canary.unpack(archive(part, file('after', 'y')));
    expect(bytes).toBe(201);
    expect(at(0, 200)).toBe(`\0\0\0ab\0\0\0\0\0c${'\0'.repeat(89)}def${'\0'.repeat(97)}`);
    expect(Object.keys(canary.tree()).sort()).toEqual(['', 'after', 'x']);
  });

  test('of many runs, of runs of nothing, and of none', async () => {
    const many: Runs = Array.from({ length: 100 }, (_, i) => [i * 10, i % 3]);
    const length = many.reduce((sum, [, n]) => sum + Number(n), 0);
    await canary.unpack(archive(withBlocks(many, 1000, 'x'.repeat(length))));
    expect(at(970, 12)).toBe('x\0\0\0\0\0\0\0\0\0xx');
    await canary.unpack(archive(withRecord([], 77, '')));
    expect(statSync(join(canary.layer, 'x')).size).toBe(77);
    await canary.unpack(archive(withLines('0\n', 78, '')));
    expect(statSync(join(canary.layer, 'x')).size).toBe(78);
  });

  test('larger than a header has digits for: 9 GiB in two blocks', async () => {
    const far = 9 * 2 ** 30;
    await canary.unpack(archive(withBlocks([[far - 3, 3]], far, 'end')));
    const { size, blocks } = statSync(join(canary.layer, 'x'));
    expect(size).toBe(far);
    expect(blocks).toBeLessThan(1000);
    expect(at(far - 4, 4)).toBe('\0end');
  });

  test('data larger than a batch, run by run', async () => {
    const large = 'abcdefgh'.repeat(400_000);
    await canary.unpack(
      archive(
        withRecord(
          [
            [5, 1_500_000],
            [2_000_000, 1_700_000],
          ],
          4_000_000,
          large,
        ),
      ),
    );
    expect(at(5, 8)).toBe('abcdefgh');
    expect(at(2_000_000 + 1_700_000 - 8, 9)).toBe('abcdefgh\0');
    expect(at(1_500_003, 4)).toBe('gh\0\0');
  });
});

describe('sparse maps that lie', () => {
  const max = 2n ** 63n - 1n;
  test.each([
    [
      'overlap',
      withRecord(
        [
          [0, 3],
          [2, 3],
        ],
        10,
        'abcdef',
      ),
      /overlap or are out of order/,
    ],
    [
      'disorder',
      withRecord(
        [
          [5, 3],
          [0, 3],
        ],
        10,
        'abcdef',
      ),
      /overlap or are out of order/,
    ],
    ['beyond the end', withRecord([[5, 6]], 10, 'abcdef'), /beyond the file's end/],
    ['more data than runs', withRecord([[0, 3]], 10, 'abcdef'), /differ in length/],
    ['fewer data than runs', withRecord([[0, 7]], 10, 'abcdef'), /differ in length/],
    [
      'an offset without length',
      withRecord(
        [
          [0, 6],
          [7, '' as never],
        ],
        10,
        'abcdef',
      ),
      /a number in the sparse map is none/,
    ],
    ['words', withRecord([['a' as never, 6]], 10, 'abcdef'), /a number in the sparse map is none/],
    ['a negative offset', withRecord([[-3, 6]], 10, 'abcdef'), /a negative number/],
    ['a negative length', withRecord([[0, -6]], 10, 'abcdef'), /a negative number/],
    [
      'runs that overflow',
      withBlocks(
        [
          [max, max],
          [max, max],
        ],
        max,
        'abcdef',
      ),
      /beyond the file's end/,
    ],
    [
      'lengths that overflow',
      withBlocks(
        [
          [0, max],
          [max, 0],
        ],
        max,
        'abcdef',
      ),
      /differ in length/,
    ],
    ['a negative size', withRecord([[0, 6]], -10, 'abcdef'), /sparse file's size is no number/],
    ['a size beyond 63 bits', withRecord([[0, 6]], 2n ** 63n, 'abcdef'), /sparse file's size is no number/],
    ['a petabyte', withRecord([[0, 6]], 2n ** 50n, 'abcdef'), /bytes, the limit/],
    ['all there is', withBlocks([[0, 6]], max, 'abcdef'), /bytes, the limit/],
    ['a negative size in blocks', withBlocks([[0, 6]], -5, 'abcdef'), /size is no number/],
    ['outside of its format', withBlocks([[0, 6]], 10, 'abcdef', { format: 'ustar' }), /outside of GNU's format/],
    ['lines of words', withLines('one\n', 10, ''), /a number in the sparse map is none/],
    ['lines of minus', withLines('1\n-1\n5\n', 10, ''), /a number in the sparse map is none/],
    ['lines of 20 digits', withLines('99999999999999999999\n', 10, ''), /a number in the sparse map is none/],
    ['a count of all there is', withLines('9223372036854775807\n', 10, ''), /more than 43690 runs/],
    ['a count that is too large', withLines('43691\n', 10, ''), /more than 43690 runs/],
    ['fewer lines than counted', withLines('3\n0\n1\n', 10, ''), /a number in the sparse map is none/],
    ['no end of lines', withLines('1'.repeat(512), 10, ''), /a number in the sparse map is none/],
    ['a map without end', withLines('1\n0', 10, '').subarray(0, 1536), /ends inside|does not end|number/],
    [
      'records out of turn',
      Buffer.concat([
        pax([
          ['GNU.sparse.numbytes', '1'],
          ['GNU.sparse.offset', '1'],
        ]),
        file('x', 'a'),
      ]),
      /do not alternate/,
    ],
    ['half a record', Buffer.concat([pax([['GNU.sparse.offset', '1']]), file('x', 'a')]), /ends with an offset/],
    [
      'on a directory',
      Buffer.concat([pax([['GNU.sparse.map', '0,1']]), entry({ path: 'x', type: '5' })]),
      /a sparse map on what is no file/,
    ],
    ['a NUL in its name', Buffer.concat([pax([['GNU.sparse.name', 'a\0b']]), file('x', 'a')]), /holds a NUL/],
    [
      'blocks without end',
      withBlocks(
        Array.from({ length: 44_000 }, (_, i) => [i, 0]),
        50_000,
        '',
      ),
      /43690 runs/,
    ],
  ])('%s', async (_, bad, reason) => {
    expect(await canary.refusal(archive(bad))).toMatch(reason);
  });

  test('a name that climbs', async () => {
    const map = [
      ['GNU.sparse.major', '0'],
      ['GNU.sparse.minor', '1'],
      ['GNU.sparse.name', '../../outside/secret'],
    ] as const;
    expect(await canary.refusal(archive(pax(map), file('x')))).toMatch(/"..\/..\/outside\/secret": its path leads out/);
  });
});
