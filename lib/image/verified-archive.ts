import { createHash } from 'node:crypto';
import { CloisterError } from '../errors.js';
import { canDecompress, decompressTo, tooManyBytes } from '../native/decompress.js';
import { splitDigest, type Digest } from '../shared/digest.js';
import type { LayerArchive } from '../shared/snapshotter.js';
import { decompress, forThread } from './decompress.js';

/** The uncompressed archive of a layer, which fails at its end when it is not the one that was promised. */
export class VerifiedArchive implements LayerArchive {
  /** Why it ended early, unless because nobody wanted more. */
  failure: unknown;
  readonly #blob: AsyncIterable<Uint8Array>;
  readonly #diffId: Digest;
  readonly #maxBytes: number;

  /** @param blob - of the layer, compressed or not. @param maxBytes - of the archive. */
  constructor(blob: AsyncIterable<Uint8Array>, diffId: Digest, maxBytes: number) {
    this.#blob = blob;
    this.#diffId = diffId;
    this.#maxBytes = maxBytes;
    if (canDecompress()) this.writeTo = (fd, signal) => this.#writeTo(fd, signal);
  }

  writeTo?(fd: number, signal?: AbortSignal): Promise<void>;

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#verified();
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  async #writeTo(fd: number, signal: AbortSignal | undefined): Promise<void> {
    const [algorithm] = splitDigest(this.#diffId);
    try {
      const { compression, chunks } = await forThread(this.#blob);
      const options = { compression, algorithm, maxBytes: this.#maxBytes, signal };
      const { digest } = await decompressTo(chunks, fd, this.#diffId, options);
      this.#check(digest);
    } catch (error) {
      const isUnwanted = signal?.aborted === true || (CloisterError.is(error) && error.errno === 'EPIPE');
      if (!isUnwanted) this.failure = error;
      throw error;
    }
  }

  async *#verified(): AsyncGenerator<Uint8Array> {
    const [algorithm] = splitDigest(this.#diffId);
    const hash = createHash(algorithm);
    let bytes = 0;
    for await (const chunk of decompress(this.#blob)) {
      bytes += chunk.length;
      if (bytes > this.#maxBytes) throw tooManyBytes(this.#diffId, this.#maxBytes);
      hash.update(chunk);
      yield chunk;
    }
    this.#check(hash.digest('hex'));
  }

  /** @throws CloisterError `ERR_DIGEST_MISMATCH` */
  #check(actual: string): void {
    const [algorithm, hex] = splitDigest(this.#diffId);
    if (actual === hex) return;
    throw new CloisterError(
      'ERR_DIGEST_MISMATCH',
      `layer ${this.#diffId}: its archive has the digest ${algorithm}:${actual}`,
      {
        subject: this.#diffId,
        hint: 'its configuration promises another archive: do not trust where this image comes from',
      },
    );
  }
}
