import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { decompress, detectCompression } from '../../../lib/image/decompress.js';
import { rejection } from '../../support/rejection.js';

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function undo(bytes: Buffer, size = 65_536): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of decompress(pieces(bytes, size))) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const TEXT = Buffer.from(
  Array.from({ length: 4000 }, (_, index) => `line ${index % 97} of a text that repeats itself\n`).join(''),
);

/** `zstd -19 --check` of TEXT, version 1.5.4. */
const ZSTD_TEXT = Buffer.from(
  'KLUv/QRohAUA4gkaFZApD2D9wsdCzd7dTlKEFOHB9W4GAZp4VtRvXk08K+I3ryaeFe2bVxPPivTNq4lnRfnm1cSzInzzauJZ0b15NfGsyN68mn' +
    'hW9T5/r8/j7/YChMIoh7hyAoOY5CcYzs9izoMLx+nGIIpiqCHQ5/534DWWNRJIEPj/RxDw4u9/B6HxX24FCoIKSAEMmUFA3AMI0gJjBjAAhwSg' +
    'lKAwS9vtdJRimJlHxoFMZooAuwpNAAAAAQAZ0KX9roGr/3Wq',
  'base64',
);

/** A frame of blocks that repeat one byte: RFC 8878 sections 3.1.1.1 and 3.1.1.2. */
function zstdRun(byte: number, blocks: number, blockBytes: number, windowDescriptor = 0x38): Buffer {
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, windowDescriptor]);
  const block = (isLast: boolean): Buffer => {
    const bytes = Buffer.alloc(4, byte);
    bytes.writeUIntLE((blockBytes << 3) | (1 << 1) | Number(isLast), 0, 3);
    return bytes;
  };
  return Buffer.concat([header, ...Array.from({ length: blocks }, (_, index) => block(index === blocks - 1))]);
}

function zstdSkippable(bytes: number): Buffer {
  const header = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
  header.writeUInt32LE(bytes, 4);
  return Buffer.concat([header, Buffer.alloc(bytes, 0xfd)]);
}

test.each([
  ['gzip', gzipSync('x')],
  ['zstd', zstdRun(0, 1, 1)],
  ['zstd', zstdSkippable(3)],
  ['xz', Buffer.from('fd377a585a000004', 'hex')],
  ['bzip2', Buffer.from('BZh91AY')],
  ['none', Buffer.from('etc/\0\0\0')],
  ['none', Buffer.alloc(0)],
])('recognizes %s', (kind, bytes) => {
  expect(detectCompression(bytes)).toBe(kind);
});

test('leaves a plain archive as it is, also one shorter than any magic number', async () => {
  expect(TEXT.equals(await undo(TEXT, 3))).toBe(true);
  expect(await undo(Buffer.from('ab'))).toEqual(Buffer.from('ab'));
  expect(await undo(Buffer.alloc(0))).toEqual(Buffer.alloc(0));
});

test('undoes gzip of several members, with zeros after them, in chunks of any size', async () => {
  const whole = Buffer.concat([gzipSync(TEXT), gzipSync('and more'), Buffer.alloc(600)]);
  for (const size of [1, 7, 100_000]) {
    expect((await undo(whole, size)).equals(Buffer.concat([TEXT, Buffer.from('and more')])), `${size}`).toBe(true);
  }
});

test('undoes zstd of several frames, skippable ones among them, in chunks of any size', async () => {
  const whole = Buffer.concat([
    zstdSkippable(70_000),
    ZSTD_TEXT,
    zstdSkippable(0),
    zstdRun(0x61, 2, 1000),
    zstdSkippable(30),
  ]);
  const expected = Buffer.concat([TEXT, Buffer.alloc(2000, 'a')]);
  for (const size of [13, 300, 100_000]) expect((await undo(whole, size)).equals(expected), `${size}`).toBe(true);
});

test.each([
  ['truncated gzip', gzipSync(TEXT).subarray(0, -9)],
  ['gzip with something else behind', Buffer.concat([gzipSync('x'), Buffer.from('garbage')])],
  ['damaged gzip', Buffer.concat([gzipSync(TEXT).subarray(0, 100), Buffer.alloc(100, 0xff)])],
  ['truncated zstd', ZSTD_TEXT.subarray(0, -1)],
  ['zstd cut between blocks', zstdRun(1, 3, 10).subarray(0, -4)],
  ['zstd with something else behind', Buffer.concat([ZSTD_TEXT, Buffer.from('garbage')])],
  ['damaged zstd', Buffer.concat([ZSTD_TEXT.subarray(0, 20), Buffer.alloc(ZSTD_TEXT.length - 20, 0x55)])],
  ['zstd of another checksum', Buffer.concat([ZSTD_TEXT.subarray(0, -4), Buffer.alloc(4, 0x55)])],
  ['a first frame of another checksum', Buffer.concat([ZSTD_TEXT.subarray(0, -4), Buffer.alloc(4), ZSTD_TEXT])],
  ['a zstd window of a gigabyte', zstdRun(1, 1, 10, 0xa0)],
  ['a zstd block of two megabytes', zstdRun(1, 1, 2 ** 20)],
  ['xz', Buffer.from('fd377a585a000004e6d6b446', 'hex')],
])('refuses %s', async (_, bytes) => {
  expect(await rejection(undo(bytes))).toMatchObject({ code: 'ERR_LAYER_INVALID' });
});

test('a bomb comes out no faster than it is read', async () => {
  const bomb = zstdRun(0, 200_000, 128 * 1024);
  let bytes = 0;
  for await (const chunk of decompress(pieces(bomb, 65_536))) {
    bytes += chunk.length;
    if (bytes > 2 ** 26) break;
  }
  expect(process.memoryUsage().arrayBuffers).toBeLessThan(2 ** 28);
});

test.each([
  ['plain', TEXT],
  ['gzip', gzipSync(TEXT)],
  ['zstd', ZSTD_TEXT],
])('a failing or abandoned source of %s ends all of it', async (_, bytes) => {
  let isClosed = false;
  async function* failing(): AsyncGenerator<Buffer> {
    try {
      yield bytes.subarray(0, 100);
      throw new RangeError('cut');
    } finally {
      isClosed = true;
    }
  }
  const read = async (): Promise<void> => {
    for await (const _ of decompress(failing()));
  };
  await expect(read()).rejects.toThrow('cut');
  expect(isClosed).toBe(true);
  isClosed = false;
  async function* endless(): AsyncGenerator<Buffer> {
    try {
      for (;;) yield bytes;
    } finally {
      isClosed = true;
    }
  }
  const reader = decompress(endless());
  expect((await reader.next()).done).toBe(false);
  await reader.return(undefined);
  expect(isClosed).toBe(true);
});

test('a source is read to its end, whatever the decoder needs of it', async () => {
  let read = 0;
  async function* source(): AsyncGenerator<Buffer> {
    for (const chunk of [gzipSync(TEXT), Buffer.alloc(100_000), Buffer.alloc(100_000)]) {
      yield chunk;
      read += chunk.length;
    }
  }
  const hash = createHash('sha256');
  for await (const chunk of decompress(source())) hash.update(chunk);
  expect(hash.digest('hex')).toBe(createHash('sha256').update(TEXT).digest('hex'));
  expect(read).toBe(gzipSync(TEXT).length + 200_000);
});
