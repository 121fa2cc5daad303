import { randomBytes } from 'node:crypto';
import { open, readdir, stat, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDigest, type Digest } from '../shared/digest.js';
import { fileError, unlessMissing } from '../shared/file-error.js';
import type { LockFile } from '../shared/lock-file.js';
import { makeDirectory } from '../shared/make-directory.js';
import type { ExpectedBlob } from './blob-writer.js';
import type { Claim } from './lease.js';

/** An interrupted download that nobody went on with is worth less than its space after this time. */
export const PARTIAL_LIFETIME_MS = 24 * 3600e3;

/** A file that one writer has for itself. */
export interface IngestPlace {
  readonly path: string;
  readonly lock: Disposable;
}

/** Blobs on their way into the store, one file each, named for what it is to become where that is known. */
export class Ingest {
  readonly #directory: string;
  readonly #locks: LockFile;

  /** @param directory - made if it is missing. */
  constructor(directory: string, locks: LockFile) {
    makeDirectory(directory, 0o777);
    this.#directory = directory;
    this.#locks = locks;
  }

  /** Waits for the writer who has the same blob. @throws CloisterError `ERR_ABORTED` */
  async take(expected: ExpectedBlob | undefined, signal: AbortSignal | undefined): Promise<IngestPlace> {
    const name = expected === undefined ? `new-${randomBytes(8).toString('hex')}` : partialName(expected.digest);
    const lock = await this.#locks.lock(lockKey(name), 'exclusive', signal);
    return { path: join(this.#directory, name), lock };
  }

  /** For what is too large for memory: a file without a name, gone when it is closed or its process dies. */
  async scratchFile(): Promise<FileHandle> {
    const path = join(this.#directory, `scratch-${randomBytes(8).toString('hex')}`);
    try {
      const file = await open(path, 'wx+', 0o600);
      await unlessMissing(unlink(path));
      return file;
    } catch (error) {
      throw fileError(error, path);
    }
  }

  /** Removes what there is of a blob, unless somebody goes on with it. */
  async discard(claim: Claim, digest: Digest): Promise<void> {
    const name = partialName(digest);
    if (claim.takeKey(lockKey(name))) await unlessMissing(unlink(join(this.#directory, name)));
  }

  /** Removes what nobody goes on with, interrupted downloads when they are that old. Returns the bytes freed. */
  async collect(claim: Claim, lifetimeMs: number): Promise<number> {
    let bytes = 0;
    for (const name of (await unlessMissing(readdir(this.#directory))) ?? []) {
      if (!claim.takeKey(lockKey(name))) continue;
      const path = join(this.#directory, name);
      const about = await unlessMissing(stat(path));
      const isNamed = parseDigest(name.replace('-', ':')) !== undefined;
      if (about === undefined || (isNamed && Date.now() - about.mtimeMs < lifetimeMs)) continue;
      await unlessMissing(unlink(path));
      bytes += about.size;
    }
    return bytes;
  }
}

function partialName(digest: Digest): string {
  return digest.replace(':', '-');
}

function lockKey(name: string): string {
  return `ingest ${name}`;
}
