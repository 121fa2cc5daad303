import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Canary } from '../../../support/canary.js';
import { archive, base256, directory, entry, file, gnuLong, header, record, symlink } from '../../../support/tar.js';

let canary: Canary;
beforeAll(() => void (canary = new Canary('limits')));
afterAll(() => canary[Symbol.dispose]());

describe('extended headers that lie', () => {
  const raw = (data: string | Uint8Array): Buffer => archive(entry({ path: 'p', type: 'x' }, data), file('x'));
  test.each([
    ['too short', '8 path=abc\n'],
    ['too long', '13 path=abc\n'],
    ['longer than all', '999999 path=abc\n'],
    ['beyond 64 bits', '99999999999999999999 path=abc\n'],
    ['negative', '-12 path=abc\n'],
    ['signed', '+12 path=abc\n'],
    ['zero', '0 path=abc\n'],
    ['no length', ' path=abc\n'],
    ['no blank', '12path=abc\n'],
    ['no line end', '12 path=abcd'],
    ['no equals', '10 pathabc\n'],
    ['no keyword', '8 =abcd\n'],
    ['a NUL in the keyword', '13 pa\0th=abc\n'],
    ['only zeroes', Buffer.alloc(512)],
    ['zeroes behind', Buffer.concat([record('path', 'a'), Buffer.alloc(3)]).toString('latin1')],
  ])('%s', async (_, data) => {
    expect(await canary.refusal(raw(data))).toMatch(/a record of the extended header does not hold together/);
  });

  test.each([
    ['a path with a NUL', raw(record('path', 'a\0b')), /holds a NUL/],
    ['a link with a NUL', raw(record('linkpath', '\0')), /holds a NUL/],
    ['a size that is none', raw(record('size', '0x10')), /a number in the extended header is none/],
    ['a negative size', raw(record('size', '-1')), /a negative size/],
    ['a size beyond 63 bits', raw(record('size', '9223372036854775808')), /a number in the extended header is none/],
    ['more than a mebibyte', raw(Buffer.concat([record('comment', 'c'.repeat(2 ** 20))])), /more than 1 MiB/],
    ['a long name of more', archive(gnuLong('L', 'n'.repeat(2 ** 20)), file('x')), /more than 1 MiB/],
    ['of negative size', archive(header({ path: 'p', type: 'x', size: base256(-512n, 12) }), file('x')), /negative/],
    ['of 8 EiB', archive(header({ path: 'p', type: 'x', size: base256(2n ** 63n - 1n, 12) })), /more than 1 MiB/],
  ])('%s', async (_, bad, reason) => {
    expect(await canary.refusal(bad)).toMatch(reason);
  });

  test('a mebibyte is what it may be', async () => {
    await canary.unpack(raw(record('comment', 'c'.repeat(2 ** 20 - 20))));
    expect(Object.keys(canary.tree())).toEqual(['', 'x']);
  });
});

describe('bombs', () => {
  test.each([
    ['by size', archive(file('x', Buffer.alloc(1001))), { maxBytes: 1000 }, /more than 1000 bytes, the limit/],
    [
      'by many sizes',
      archive(file('x', 'y'.repeat(600)), file('y', 'y'.repeat(600))),
      { maxBytes: 1000 },
      /"y": more th/,
    ],
    ['declared only', archive(header({ path: 'x', size: base256(2n ** 62n, 12) })), {}, /bytes, the limit/],
    [
      'by the default',
      archive(header({ path: 'x', size: base256(2n ** 36n + 1n, 12) })),
      {},
      /more than 68719476736 bytes/,
    ],
    [
      'that overflow together',
      archive(file('a', 'x'), header({ path: 'x', size: base256(2n ** 63n - 1n, 12) })),
      {},
      /limit/,
    ],
    [
      'by count',
      archive(...Array.from({ length: 11 }, (_, i) => file(`${i}`))),
      { maxEntries: 10 },
      /more than 10 entries/,
    ],
    ['of directories on the way', archive(file('d/'.repeat(40) + 'x')), { maxEntries: 40 }, /more than 40 entries/],
    [
      'of whiteouts',
      archive(...Array.from({ length: 11 }, (_, i) => file(`.wh.${i}`))),
      { maxEntries: 10 },
      /10 entries/,
    ],
    ['of the same file', archive(...Array.from({ length: 11 }, () => file('x'))), { maxEntries: 10 }, /10 entries/],
  ] as const)('%s', async (_, bad, options, reason) => {
    const message = await canary.refusal(bad, options);
    expect(message).toMatch(reason);
  });

  test('what is allowed is allowed to the last byte and entry', async () => {
    await canary.unpack(archive(file('x', Buffer.alloc(1000)), directory('d')), { maxBytes: 1000, maxEntries: 2 });
    expect(statSync(join(canary.layer, 'x')).size).toBe(1000);
  });

  test('the refusal says what to do', async () => {
    const error = await canary.unpack(archive(file('x', 'y')), { maxBytes: 0 }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'ERR_LAYER_INVALID', hint: 'if the image is to be trusted, raise the limit' });
  });

  test('a directory that is not empty takes no layer', async () => {
    await canary.unpack(archive(symlink('x', 'y')));
    await expect(canary.again(archive(file('z')))).rejects.toMatchObject({ code: 'ERR_KERNEL', errno: 'ENOTEMPTY' });
  });
});
