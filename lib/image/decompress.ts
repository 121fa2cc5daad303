import type { Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { CloisterError } from '../errors.js';
import { damagedData } from '../native/decompress.js';
import { errnoOf } from '../shared/file-error.js';
import { CHUNK_BYTES } from './blob-file.js';
import type { Compression } from './media-types.js';
import { createZstdDecompress, decodeZstd, zstdPieces } from './zstd.js';

const LONGEST_MAGIC = 6;

const MAGIC: readonly (readonly [Compression | 'xz' | 'bzip2', pattern: string])[] = [
  ['gzip', '1f8b08'],
  ['zstd', '28b52ffd'],
  ['xz', 'fd377a585a00'],
  ['bzip2', '425a68'],
];

/** Of a stream's first bytes. A zstd stream may begin with a skippable frame, RFC 8878 section 3.1.2. */
export function detectCompression(start: Uint8Array): Compression | 'xz' | 'bzip2' {
  const hex = Buffer.from(start.subarray(0, LONGEST_MAGIC)).toString('hex');
  if (/^5.2a4d18/.test(hex)) return 'zstd';
  return MAGIC.find(([, pattern]) => hex.startsWith(pattern))?.[0] ?? 'none';
}

/** The chunks that hold the first bytes, as many as tell a compression. */
async function peek(iterator: AsyncIterator<Uint8Array>): Promise<readonly Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for (let bytes = 0; bytes < LONGEST_MAGIC;) {
    const next = await iterator.next();
    if (next.done === true) break;
    chunks.push(next.value);
    bytes += next.value.length;
  }
  return chunks;
}

/** First these, then what an iterator still has. */
class Continued implements AsyncIterableIterator<Uint8Array> {
  readonly #start: Uint8Array[];
  readonly #rest: AsyncIterator<Uint8Array>;

  constructor(start: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>) {
    this.#start = [...start];
    this.#rest = rest;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    const value = this.#start.shift();
    return value === undefined ? this.#rest.next() : { done: false, value };
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    await this.#rest.return?.();
    return { done: true, value: undefined };
  }
}

interface Opened {
  readonly kind: ReturnType<typeof detectCompression>;
  /** All of the source. */
  readonly chunks: Continued;
}

/** Finds out by its first bytes what a source is. */
async function open(source: AsyncIterable<Uint8Array>): Promise<Opened> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    const start = await peek(iterator);
    return { kind: detectCompression(Buffer.concat(start)), chunks: new Continued(start, iterator) };
  } catch (error) {
    await iterator.return?.();
    throw error;
  }
}

function isZlibError(error: unknown): boolean {
  return /^(?:Z_|ERR_ZSTD|ZSTD_|ERR_ZLIB)/.test(errnoOf(error) ?? '');
}

async function feed(source: AsyncIterable<Uint8Array>, transform: Transform): Promise<void> {
  try {
    for await (const chunk of source) {
      if (transform.destroyed) return;
      // What follows the compressed data is read all the same: it belongs to the blob.
      if (transform.writableFinished || transform.readableEnded) continue;
      if (!transform.write(chunk)) await drained(transform);
    }
    transform.end();
  } catch (error) {
    transform.destroy(error as Error);
  }
}

function drained(transform: Transform): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of ['drain', 'close', 'end']) transform.off(event, done);
      resolve();
    };
    for (const event of ['drain', 'close', 'end']) transform.on(event, done);
  });
}

async function* through(source: AsyncIterable<Uint8Array>, transform: Transform): AsyncGenerator<Uint8Array> {
  const feeding = feed(source, transform);
  try {
    yield* transform as AsyncIterable<Uint8Array>;
    await feeding;
  } catch (error) {
    if (!isZlibError(error)) throw error;
    const { message } = error as Error;
    throw damagedData(message, error);
  } finally {
    transform.destroy();
    await feeding;
  }
}

/**
 * Undoes gzip (of any number of members) and zstd (of any number of frames), told by their first bytes: media types are often
 * wrong, and the digest of what comes out decides anyway. The source is read to its end, and closed in any case.
 *
 * @throws CloisterError `ERR_LAYER_INVALID`
 */
export async function* decompress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { kind, chunks } = await open(source);
  try {
    yield* decode(kind, chunks, { isChecked: true });
  } finally {
    await chunks.return();
  }
}

/**
 * What is left for a thread of the addon to do: gzip as it is, all else as {@link decompress} has it. What comes out has a digest,
 * so that checksums of less than that need not be looked at.
 */
export async function forThread(
  source: AsyncIterable<Uint8Array>,
): Promise<{ readonly compression: 'gzip' | 'none'; readonly chunks: AsyncIterable<Uint8Array> }> {
  const { kind, chunks } = await open(source);
  if (kind === 'gzip') return { compression: kind, chunks };
  try {
    return { compression: 'none', chunks: decode(kind, chunks, { isChecked: false }) };
  } catch (error) {
    await chunks.return();
    throw error;
  }
}

function decode(
  compression: ReturnType<typeof detectCompression>,
  source: AsyncIterable<Uint8Array>,
  { isChecked }: { readonly isChecked: boolean },
): AsyncIterable<Uint8Array> {
  const options = { chunkSize: CHUNK_BYTES };
  switch (compression) {
    case 'none':
      return source;
    case 'gzip':
      return through(source, createGunzip(options));
    case 'zstd':
      return createZstdDecompress === undefined
        ? decodeZstd(source, isChecked)
        : through(zstdPieces(source), createZstdDecompress(options));
    case 'xz':
    case 'bzip2':
      throw new CloisterError(
        'ERR_LAYER_INVALID',
        `expected a tar archive, plain or with gzip or zstd, got ${compression}`,
        {
          hint: 'compress it with gzip or zstd; the OCI image specification knows no other kinds',
        },
      );
  }
}
