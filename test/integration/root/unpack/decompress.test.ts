import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { VerifiedArchive } from '../../../../lib/image/verified-archive.js';
import { nativeParts } from '../../../../lib/native/addon.js';
import { canDecompress, decompressTo, type DecompressOptions } from '../../../../lib/native/decompress.js';
import { unpackArchive } from '../../../../lib/native/layers.js';
import type { Digest } from '../../../../lib/shared/digest.js';
import { rejection } from '../../../support/rejection.js';
import { makeScratch } from '../../../support/scratch.js';
import { archive, file } from '../../../support/tar.js';

let scratch: ReturnType<typeof makeScratch>;
let last = 0;
beforeAll(() => void (scratch = makeScratch('decompress')));
afterAll(() => scratch[Symbol.dispose]());

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const digest = (bytes: Uint8Array, algorithm = 'sha256'): string => createHash(algorithm).update(bytes).digest('hex');
const nameOf = (bytes: Uint8Array): Digest => `sha256:${digest(bytes)}`;
const openFds = (): number => readdirSync('/proc/self/fd').length;

const LAYER = archive(...Array.from({ length: 300 }, (_, i) => file(`d${i % 9}/f${i}`, Buffer.alloc(i * 400, i))));
const PACKED = gzipSync(LAYER);
const GZIP: DecompressOptions = { compression: 'gzip', algorithm: 'sha256', maxBytes: 2 ** 30 };

/** What of a source arrives in a file, and what is said of it. */
async function written(
  source: AsyncIterable<Uint8Array>,
  options: DecompressOptions & { signal?: AbortSignal } = GZIP,
) {
  const path = join(scratch.path, `archive-${++last}`);
  await using output = await open(path, 'wx');
  return { ...(await decompressTo(source, output.fd, nameOf(LAYER), options)), content: readFileSync(path) };
}

/** Yields these, and then nothing for ever. */
async function* stalling(...chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
  await new Promise(() => undefined);
}

test('the Node that runs this has what it takes', () => {
  expect(canDecompress()).toBe(true);
});

describe('a thread decompresses', () => {
  test.each([100, 65_536, 1e9])('gzip in pieces of %d bytes', async (size) => {
    const result = await written(pieces(PACKED, size));
    expect(result).toMatchObject({ digest: digest(LAYER), bytes: LAYER.length });
    expect(result.content.equals(LAYER)).toBe(true);
  });

  test('several members, with zeros and then anything behind them, byte by byte', async () => {
    const small = Buffer.from('a text');
    const whole = Buffer.concat([gzipSync(small), gzipSync(''), gzipSync(small), Buffer.alloc(600), Buffer.from('x')]);
    for (const size of [1, 7, 1e9]) {
      expect((await written(pieces(whole, size))).content.toString(), `${size}`).toBe('a texta text');
    }
  });

  test('nothing of what is plain, and hashes as it is told', async () => {
    const result = await written(pieces(PACKED, 5000), { ...GZIP, compression: 'none', algorithm: 'sha512' });
    expect(result).toMatchObject({ digest: digest(PACKED, 'sha512'), bytes: PACKED.length });
    expect((await written(pieces(Buffer.alloc(0), 1), { ...GZIP, compression: 'none' })).bytes).toBe(0);
  });

  test('large things between small limits', async () => {
    const zeroes = gzipSync(Buffer.alloc(2 ** 26));
    expect((await written(pieces(zeroes, 999), { ...GZIP, maxBytes: 2 ** 26 })).bytes).toBe(2 ** 26);
    expect(await rejection(written(pieces(zeroes, 999), { ...GZIP, maxBytes: 2 ** 26 - 1 }))).toMatchObject({
      code: 'ERR_LAYER_INVALID',
      message: expect.stringContaining(`more than ${2 ** 26 - 1} bytes`) as string,
      hint: expect.stringContaining('raise the limit') as string,
    });
  });
});

test.each([
  ['nothing', Buffer.alloc(0)],
  ['a header alone', PACKED.subarray(0, 10)],
  ['truncated gzip', PACKED.subarray(0, -9)],
  ['a missing length', PACKED.subarray(0, -1)],
  ['something else behind', Buffer.concat([PACKED, Buffer.from('garbage')])],
  ['half a member behind', Buffer.concat([PACKED, PACKED.subarray(0, 100)])],
  ['damaged gzip', Buffer.concat([PACKED.subarray(0, 100), Buffer.alloc(1000, 0xff)])],
  ['no gzip', LAYER],
])('refuses %s', async (_, bytes) => {
  expect(await rejection(written(pieces(bytes, 65_536)))).toMatchObject({
    code: 'ERR_LAYER_INVALID',
    message: expect.stringContaining("the layer's compressed data is damaged: ") as string,
  });
});

test("leaves gzip's own checksum to the digest of what comes out", async () => {
  const wrong = Buffer.concat([PACKED.subarray(0, -8), Buffer.alloc(4), PACKED.subarray(-4)]);
  expect(await written(pieces(wrong, 65_536))).toMatchObject({ digest: digest(LAYER), bytes: LAYER.length });
});

describe('what ends it early', () => {
  test('a failing source, which is the reason', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield PACKED.subarray(0, 1000);
      throw new RangeError('connection lost');
    }
    await expect(written(failing())).rejects.toThrow('connection lost');
  });

  test('an abort, also while the source waits', async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('enough')), 20);
    const work = written(stalling(PACKED.subarray(0, 1000)), { ...GZIP, signal: controller.signal });
    expect(await rejection(work)).toMatchObject({ code: 'ERR_ABORTED', cause: { message: 'enough' } });
  });

  test('a reader of the pipe that leaves', async () => {
    const [output, input] = nativeParts().addon.pipe('write', 0);
    closeSync(output);
    const error = await rejection(decompressTo(pieces(PACKED, 65_536), input, nameOf(LAYER), GZIP));
    closeSync(input);
    expect(error).toMatchObject({ code: 'ERR_KERNEL', errno: 'EPIPE' });
  });

  test('a full disk', async () => {
    using small = makeScratch('decompress-full', '1m');
    await using output = await open(join(small.path, 'archive'), 'wx');
    const error = await rejection(decompressTo(pieces(PACKED, 65_536), output.fd, nameOf(LAYER), GZIP));
    expect(error).toMatchObject({ code: 'ERR_KERNEL', errno: 'ENOSPC' });
  });
});

describe('between two threads', () => {
  const unpack = async (layer: VerifiedArchive, signal?: AbortSignal): Promise<unknown> => {
    const path = join(scratch.path, `layer-${++last}`);
    mkdirSync(path);
    const fd = openSync(path, 'r');
    try {
      return await unpackArchive(layer, fd, signal === undefined ? {} : { signal });
    } finally {
      closeSync(fd);
    }
  };
  const layerOf = (source: AsyncIterable<Uint8Array>, diffId = nameOf(LAYER), most = 2 ** 30): VerifiedArchive =>
    new VerifiedArchive(source, diffId, most);

  test('a layer is unpacked', async () => {
    expect(await unpack(layerOf(pieces(PACKED, 65_536)))).toMatchObject({ entries: 300 + 9 });
    expect(await unpack(layerOf(pieces(LAYER, 65_536)))).toMatchObject({ entries: 300 + 9 });
  });

  test('what only the check value of gzip tells is found by the digest', async () => {
    const unchecked = Buffer.concat([PACKED.subarray(0, -8), Buffer.alloc(4), PACKED.subarray(-4)]);
    expect(await unpack(layerOf(pieces(unchecked, 65_536)))).toMatchObject({ entries: 300 + 9 });
    // A byte of a file's content.
    const damaged = gzipSync(LAYER, { level: 0 });
    damaged[1200]! ^= 1;
    expect(await rejection(unpack(layerOf(pieces(damaged, 65_536))))).toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  });

  test('the reason is the first one, whoever finds it', async () => {
    const other: Digest = `sha256:${'0'.repeat(64)}`;
    const lie = layerOf(pieces(PACKED, 65_536), other);
    expect(await rejection(unpack(lie))).toMatchObject({ code: 'ERR_DIGEST_MISMATCH', subject: other });
    expect(lie.failure).toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });

    const cut = layerOf(pieces(PACKED.subarray(0, -20), 65_536));
    expect(await rejection(unpack(cut))).toMatchObject({ message: expect.stringContaining('damaged') as string });

    const bomb = layerOf(pieces(PACKED, 65_536), nameOf(LAYER), 1000);
    expect(await rejection(unpack(bomb))).toMatchObject({ message: expect.stringContaining('1000 bytes') as string });
  });

  test('what is no archive is refused while the source waits, and is no failure of the source', async () => {
    const nonsense = gzipSync(Buffer.alloc(2 ** 20, 'no archive'));
    const layer = layerOf(stalling(nonsense.subarray(0, -8)));
    expect(await rejection(unpack(layer))).toMatchObject({
      code: 'ERR_LAYER_INVALID',
      subject: expect.stringMatching(/^byte 0/) as string,
    });
    expect(layer.failure).toBeUndefined();
  });

  test('an abort ends both, and no descriptor is left', async () => {
    const before = openFds();
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    const work = unpack(layerOf(stalling(PACKED.subarray(0, 5000))), controller.signal);
    expect(await rejection(work)).toMatchObject({ code: 'ERR_ABORTED' });
    await expect.poll(openFds).toBe(before);
  });
});

test('a source that was begun is closed when nobody reads it', async () => {
  let isClosed = false;
  const source = (async function* () {
    try {
      for (;;) yield Buffer.alloc(1000);
    } finally {
      isClosed = true;
    }
  })();
  await source.next();
  const options = { compression: 'none', algorithm: 'sha256', maxBytes: 2 ** 20, signal: AbortSignal.abort() } as const;
  expect((await rejection(decompressTo(source, 1, `sha256:${'0'.repeat(64)}`, options))).code).toBe('ERR_ABORTED');
  await expect.poll(() => isClosed).toBe(true);
});
