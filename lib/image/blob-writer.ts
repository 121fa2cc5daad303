import { createHash, type Hash } from 'node:crypto';
import { chmod, open, rename, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CloisterError } from '../errors.js';
import { splitDigest, type Digest } from '../shared/digest.js';
import { fileError, unlessMissing } from '../shared/file-error.js';
import { FileAppender, readChunks } from './blob-file.js';

/** What a blob is to be; a size that is not known beforehand is not checked. */
export interface ExpectedBlob {
  readonly digest: Digest;
  readonly size?: number;
}

export interface BlobWriterPlace {
  /** The file to write; one that is there already is continued. */
  readonly path: string;
  readonly expected: ExpectedBlob | undefined;
  /** Keeps other writers of this file away. */
  readonly lock: Disposable;
  /** Where the whole blob belongs. Called once, before it appears there: from then on it must not be collected. */
  destination(digest: Digest): Promise<string>;
}

/**
 * One blob on its way into the store. It appears there whole, on disk and with the right digest, or not at all.
 *
 * The state of a hash cannot be saved (`node:crypto`), so an interrupted file is read again to continue it: at more than a
 * gigabyte a second that is cheaper than what it saves. Disposing an unfinished writer keeps the file for the next one, if it is
 * known which blob it is to become.
 */
export class BlobWriter implements AsyncDisposable {
  readonly #place: BlobWriterPlace;
  readonly #file: FileHandle;
  #hash: Hash;
  #output: FileAppender;
  #resumedBytes: number;
  #bytes: number;
  #isOpen = true;

  private constructor(place: BlobWriterPlace, file: FileHandle, hash: Hash, bytes: number) {
    this.#place = place;
    this.#file = file;
    this.#hash = hash;
    this.#bytes = bytes;
    this.#resumedBytes = bytes;
    this.#output = new FileAppender(file, bytes);
  }

  /** Takes over the lock, also when it fails. */
  static async open(place: BlobWriterPlace): Promise<BlobWriter> {
    let file: FileHandle | undefined;
    try {
      file = await openPartial(place.path);
      const hash = newHash(place.expected);
      let { size } = await file.stat();
      if (size > (place.expected?.size ?? Infinity)) {
        await file.truncate(0);
        size = 0;
      }
      for await (const chunk of readChunks(file, { end: size })) hash.update(chunk);
      return new BlobWriter(place, file, hash, size);
    } catch (error) {
      await file?.close();
      place.lock[Symbol.dispose]();
      throw fileError(error, place.path);
    }
  }

  /** How much of the blob there is. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How much of that was there when it was opened. */
  get resumedBytes(): number {
    return this.#resumedBytes;
  }

  /** What there is of it, for a source that goes on from here; `write` keeps the hash. */
  get prefix(): { readonly offset: number; readonly hash: Hash; readonly isKept: true } {
    return { offset: this.#bytes, hash: this.#hash, isKept: true };
  }

  /** The bytes that were there when it was opened. */
  kept(): AsyncGenerator<Uint8Array> {
    return readChunks(this.#file, { end: this.#resumedBytes });
  }

  /** Forgets what was there, for a source that has all of it. */
  async restart(): Promise<void> {
    if (this.#bytes === 0) return;
    await this.#output.settle();
    await this.#file.truncate(0);
    this.#output = new FileAppender(this.#file, 0);
    this.#hash = newHash(this.#place.expected);
    this.#bytes = this.#resumedBytes = 0;
  }

  /** Keeps the chunk: it must not be changed afterwards. @throws CloisterError `ERR_DIGEST_MISMATCH` for more bytes than expected. */
  async write(chunk: Uint8Array): Promise<void> {
    const { expected, path } = this.#place;
    this.#bytes += chunk.length;
    if (expected?.size !== undefined && this.#bytes > expected.size) {
      await this.discard();
      throw mismatch(expected, `more than the ${expected.size} bytes it should have`);
    }
    this.#hash.update(chunk);
    try {
      await this.#output.write(chunk);
    } catch (error) {
      throw fileError(error, path);
    }
  }

  /**
   * Puts the whole blob into the store.
   *
   * @throws CloisterError `ERR_DIGEST_MISMATCH`: the file is gone then. Too few bytes are one, too, but keep the file.
   */
  async commit(): Promise<{ readonly digest: Digest; readonly size: number }> {
    const { expected, path } = this.#place;
    if (expected?.size !== undefined && this.#bytes < expected.size) {
      throw mismatch(expected, `only ${this.#bytes} of ${expected.size} bytes`);
    }
    const algorithm = expected === undefined ? 'sha256' : splitDigest(expected.digest)[0];
    const digest: Digest = `${algorithm}:${this.#hash.digest('hex')}`;
    if (expected !== undefined && digest !== expected.digest) {
      await this.discard();
      throw mismatch(expected, `bytes whose digest is ${digest}`);
    }
    try {
      await this.#output.flush();
      await this.#file.chmod(0o444);
      await this.#file.sync();
      const destination = await this.#place.destination(digest);
      await rename(path, destination);
      await syncDirectory(dirname(destination));
    } catch (error) {
      throw fileError(error, path);
    }
    await this.#close();
    return { digest, size: this.#bytes };
  }

  /** Removes what was written. */
  async discard(): Promise<void> {
    if (!this.#isOpen) return;
    await this.#output.settle();
    await unlessMissing(unlink(this.#place.path));
    await this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#place.expected === undefined) await this.discard();
    else await this.#close();
  }

  async #close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#output.flush().catch(() => undefined);
    await this.#output.settle();
    await this.#file.close();
    this.#place.lock[Symbol.dispose]();
  }
}

function newHash(expected: ExpectedBlob | undefined): Hash {
  return createHash(expected === undefined ? 'sha256' : splitDigest(expected.digest)[0]);
}

async function openPartial(path: string): Promise<FileHandle> {
  // A process that was killed between chmod(2) and rename(2) left a file that only root may write to.
  await unlessMissing(chmod(path, 0o600));
  const file = await unlessMissing(open(path, 'r+'));
  return file ?? open(path, 'wx+', 0o600);
}

function mismatch(expected: ExpectedBlob, got: string): CloisterError {
  return new CloisterError('ERR_DIGEST_MISMATCH', `blob ${expected.digest}: got ${got}`, {
    subject: expected.digest,
    hint: 'the source sent something else than it announced; try again, and ask its operator if that does not help',
  });
}

/** Makes a new name in it last, fsync(2). */
export async function syncDirectory(path: string): Promise<void> {
  try {
    await using directory = await open(path, 'r');
    await directory.sync();
  } catch (error) {
    throw fileError(error, path);
  }
}
