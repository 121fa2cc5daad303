import { createRequire } from 'node:module';
import { Readable, type Transform } from 'node:stream';
import { Worker } from 'node:worker_threads';
import * as zlib from 'node:zlib';
import xxhash, { type XXHashAPI } from 'xxhash-wasm';
import { CloisterError } from '../errors.js';
import { deferred, type Deferred } from '../shared/deferred.js';
import { CHUNK_BYTES } from './blob-file.js';
import { ZstdFrames } from './zstd-frames.js';

type MakeTransform = (options: { readonly chunkSize: number }) => Transform;

/** In Node from 22.15 on; the types here are those of Node 20. */
const own = zlib as { readonly createZstdDecompress?: MakeTransform; readonly createZstdCompress?: MakeTransform };
export const createZstdDecompress = own.createZstdDecompress;
export const createZstdCompress = own.createZstdCompress;

/** Decoded blocks, of at most 128 KiB, that wait for their reader. */
const BLOCKS_AHEAD = 16;

/**
 * Decodes with `fzstd` in a thread of its own, because a hostile block can keep it busy for as long as it likes. The thread stops
 * when its reader does not keep up. A program of ten lines comes as a text: a file of its own would have to be found by every
 * bundler.
 */
const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads');
const { Decompress } = require(workerData.decoder);
const credit = new Int32Array(workerData.credit);
const decoder = new Decompress((block) => {
  while (Atomics.load(credit, 0) === 0) Atomics.wait(credit, 0, 0);
  Atomics.sub(credit, 0, 1);
  parentPort.postMessage({ block });
});
parentPort.on('message', (chunk) => {
  decoder.push(chunk ?? new Uint8Array(0), chunk === null);
  parentPort.postMessage({ isTaken: true, isLast: chunk === null });
});
`;

type Message = { readonly block: Uint8Array } | { readonly isTaken: true; readonly isLast: boolean };

class DecoderThread {
  readonly output = new Readable({ objectMode: true, highWaterMark: BLOCKS_AHEAD, read: () => undefined });
  readonly #credit = new Int32Array(new SharedArrayBuffer(4)).fill(BLOCKS_AHEAD);
  readonly #worker: Worker;
  #taken: Deferred<void> = deferred();
  readonly #hashes: XXHashAPI | undefined;
  /** Of what the frame has so far, RFC 8878 section 3.1.1; undefined where nobody wants to know. */
  #hash: ReturnType<XXHashAPI['create64']> | undefined;

  constructor(hashes: XXHashAPI | undefined) {
    this.#hashes = hashes;
    this.#hash = hashes?.create64();
    const decoder = createRequire(import.meta.url).resolve('fzstd');
    this.#worker = new Worker(PROGRAM, { eval: true, workerData: { decoder, credit: this.#credit.buffer } });
    this.#worker.on('message', (message: Message) => this.#onMessage(message));
    this.#worker.on('error', (cause) => {
      const error = new CloisterError('ERR_LAYER_INVALID', `the layer's zstd stream is damaged: ${cause.message}`, {
        cause,
      });
      this.#taken.reject(error);
      this.output.destroy(error);
    });
  }

  /** Resolves when all of it is decoded; null is the end. */
  async write(chunk: Uint8Array | null): Promise<void> {
    this.#taken = deferred();
    const copy = chunk === null ? null : new Uint8Array(chunk);
    this.#worker.postMessage(copy, copy === null ? [] : [copy.buffer]);
    await this.#taken.promise;
  }

  /** All of a frame is decoded. @param checksum - that it brought. @throws CloisterError `ERR_LAYER_INVALID` */
  endFrame(checksum: number | undefined): void {
    if (this.#hash === undefined) return;
    const own = Number(this.#hash.digest() & 0xffffffffn);
    this.#hash = this.#hashes?.create64();
    if (checksum !== undefined && checksum !== own)
      throw new CloisterError('ERR_LAYER_INVALID', "the layer's zstd stream is damaged: its checksum does not match");
  }

  /** A block was read: there is room for another one. */
  allow(): void {
    Atomics.add(this.#credit, 0, 1);
    Atomics.notify(this.#credit, 0);
  }

  async stop(): Promise<void> {
    this.output.destroy();
    this.#taken.reject(new Error('the reader left'));
    await this.#worker.terminate();
  }

  #onMessage(message: Message): void {
    if ('block' in message) {
      this.#hash?.update(message.block);
      this.output.push(message.block);
      return;
    }
    if (message.isLast) this.output.push(null);
    this.#taken.resolve();
  }
}

/**
 * Pieces that a decoder takes well: small, and of one frame each.
 *
 * @param endFrame - called when all pieces of a frame were taken, with the checksum that it brought.
 */
export async function* zstdPieces(
  source: AsyncIterable<Uint8Array>,
  endFrame?: (checksum: number | undefined) => void,
): AsyncGenerator<Uint8Array> {
  const frames = new ZstdFrames();
  for await (const chunk of source) {
    for (const piece of frames.split(chunk)) {
      for (let at = 0; at < piece.length; at += CHUNK_BYTES) yield piece.subarray(at, at + CHUNK_BYTES);
      if (frames.isBetweenFrames) endFrame?.(frames.checksum);
    }
  }
  frames.end();
}

async function feed(source: AsyncIterable<Uint8Array>, thread: DecoderThread): Promise<void> {
  try {
    for await (const piece of source) {
      if (thread.output.destroyed) return;
      await thread.write(piece);
    }
    await thread.write(null);
  } catch (error) {
    thread.output.destroy(error as Error);
  }
}

/**
 * @param isChecked - whether checksums of frames are looked at, as Node's own decoder does: for what has no digest.
 * @throws CloisterError `ERR_LAYER_INVALID`
 */
export async function* decodeZstd(source: AsyncIterable<Uint8Array>, isChecked: boolean): AsyncGenerator<Uint8Array> {
  const thread = new DecoderThread(isChecked ? await xxhash() : undefined);
  const pieces = zstdPieces(source, (checksum) => thread.endFrame(checksum));
  const feeding = feed(pieces, thread);
  try {
    for await (const block of thread.output as AsyncIterable<Uint8Array>) {
      thread.allow();
      if (block.length > 0) yield block;
    }
  } finally {
    await thread.stop();
    await feeding;
  }
}
