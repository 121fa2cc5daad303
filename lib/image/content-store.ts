import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { open, readdir, stat, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { CloisterError } from '../errors.js';
import { throwIfAborted } from '../shared/abort.js';
import { parseDigest, splitDigest, type Digest } from '../shared/digest.js';
import { makeDirectory } from '../shared/make-directory.js';
import { fileError, unlessMissing } from '../shared/file-error.js';
import { LockFile, type LockGroup, type LockRange } from '../shared/lock-file.js';
import { readChunks } from './blob-file.js';
import { BlobWriter, type ExpectedBlob } from './blob-writer.js';
import { Ingest, PARTIAL_LIFETIME_MS } from './ingest.js';
import { Claim, Lease, type LeasedContent } from './lease.js';

const ALGORITHMS = ['sha256', 'sha512'] as const;

export interface ReadOptions {
  /** Fails at the end, `ERR_DIGEST_MISMATCH`, when the bytes are not those of the digest. Default: false. */
  readonly verify?: boolean;
  /** The first byte to read. Default: 0; not together with `verify`. */
  readonly start?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A blob that is not what its name says. */
export interface DamagedBlob {
  readonly digest: Digest;
  readonly reason: string;
}

/**
 * Blobs by digest, shared by every process of the machine.
 *
 * ```text
 * <directory>/blobs/sha256/<hex>   whole, on disk, never changed (mode 0444)
 * <directory>/ingest/<key>         on their way; continued by the next who wants the same blob
 * <directory>/locks                empty: who uses, writes and collects what, see LockFile
 * ```
 */
export class ContentStore implements LeasedContent, Disposable {
  readonly locks: LockFile;
  readonly #directory: string;
  readonly #ingest: Ingest;

  /** @param directory - made if it is missing, for the owner alone: images hold secrets. */
  constructor(directory: string, lockRange: LockRange) {
    this.#directory = directory;
    try {
      makeDirectory(directory, 0o700);
      for (const algorithm of ALGORITHMS) makeDirectory(join(directory, 'blobs', algorithm), 0o777);
      this.locks = new LockFile(join(directory, 'locks'), lockRange);
      this.#ingest = new Ingest(join(directory, 'ingest'), this.locks);
    } catch (error) {
      throw fileError(error, directory);
    }
  }

  /** Nothing is collected that it uses. Dispose it when what was written is referred to, or not needed any more. */
  lease(group?: LockGroup): Lease {
    return new Lease(this, group);
  }

  /** Looks at once: every start of a sandbox asks. */
  async has(digest: Digest): Promise<boolean> {
    return statSync(this.#path(digest), { throwIfNoEntry: false }) !== undefined;
  }

  async stat(digest: Digest): Promise<{ readonly size: number } | undefined> {
    const about = await unlessMissing(stat(this.#path(digest)));
    return about === undefined ? undefined : { size: about.size };
  }

  /** @throws CloisterError `ERR_NOT_FOUND` for a blob that is not there. */
  async *read(digest: Digest, { verify = false, start = 0, signal }: ReadOptions = {}): AsyncGenerator<Buffer> {
    const file = await this.#open(digest);
    const hash = verify ? createHash(splitDigest(digest)[0]) : undefined;
    try {
      for await (const chunk of readChunks(file, { start })) {
        throwIfAborted(signal, `reading ${digest}`);
        hash?.update(chunk);
        yield chunk;
      }
    } catch (error) {
      throw fileError(error, this.#path(digest));
    } finally {
      await file.close();
    }
    const found = hash?.digest('hex');
    if (found !== undefined && found !== splitDigest(digest)[1]) throw damaged(digest, `its bytes have ${found}`);
  }

  /** A small blob as a whole, verified. @throws CloisterError `ERR_NOT_FOUND`, `ERR_DIGEST_MISMATCH`, or for one of more bytes. */
  async readAll(digest: Digest, maxBytes: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of this.read(digest, { verify: true })) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw damaged(digest, `it has more than the ${maxBytes} bytes that were expected`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, bytes);
  }

  /** Removes a blob that is damaged, used or not, so that it can be fetched again. Returns whether it was. */
  async removeDamaged(digest: Digest, signal?: AbortSignal): Promise<boolean> {
    try {
      for await (const _ of this.read(digest, { verify: true, signal }));
      return false;
    } catch (error) {
      if (!CloisterError.is(error) || error.code !== 'ERR_DIGEST_MISMATCH') throw error;
      await unlessMissing(unlink(this.#path(digest)));
      return true;
    }
  }

  /** Stores a small blob, also where a damaged one is. @param expected - its digest, when somebody said what it must be. */
  async put(lease: Lease, bytes: Uint8Array, expected?: Digest): Promise<Digest> {
    const digest: Digest = expected ?? `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    await using writer = await lease.writer({ digest, size: bytes.length });
    if (writer === undefined)
      return (await this.removeDamaged(digest)) ? await this.put(lease, bytes, expected) : digest;
    await writer.restart();
    await writer.write(bytes);
    await writer.commit();
    return digest;
  }

  async *list(): AsyncGenerator<{ readonly digest: Digest; readonly size: number }> {
    for (const algorithm of ALGORITHMS) {
      for (const hex of (await unlessMissing(readdir(join(this.#directory, 'blobs', algorithm)))) ?? []) {
        const digest = parseDigest(`${algorithm}:${hex}`);
        const about = digest === undefined ? undefined : await this.stat(digest);
        if (digest !== undefined && about !== undefined) yield { digest, size: about.size };
      }
    }
  }

  /** Reads everything and names what is damaged; nothing is removed. */
  async verify(signal?: AbortSignal): Promise<readonly DamagedBlob[]> {
    const found: DamagedBlob[] = [];
    for await (const { digest } of this.list()) {
      try {
        for await (const _ of this.read(digest, { verify: true, signal }));
      } catch (error) {
        if (!CloisterError.is(error) || error.code === 'ERR_ABORTED') throw error;
        if (error.code !== 'ERR_NOT_FOUND') found.push({ digest, reason: error.message });
      }
    }
    return found;
  }

  /**
   * Removes blobs that are not wanted and that nobody uses, and interrupted ones that nobody goes on with: those of a day ago, or
   * with `partials` all. Returns the bytes freed.
   */
  async collect(
    isWanted: (digest: Digest) => boolean,
    { partials = false }: { readonly partials?: boolean } = {},
  ): Promise<{ readonly blobs: readonly Digest[]; readonly bytes: number }> {
    using claim = new Claim(this.locks);
    const blobs: Digest[] = [];
    let bytes = await this.#ingest.collect(claim, partials ? 0 : PARTIAL_LIFETIME_MS);
    for await (const { digest, size } of this.list()) {
      if (isWanted(digest) || !claim.take('blob', digest)) continue;
      await unlessMissing(unlink(this.#path(digest)));
      blobs.push(digest);
      bytes += size;
    }
    return { blobs, bytes };
  }

  /** Removes these blobs, parts of them included, unless they are wanted or somebody uses them. */
  async discard(digests: Iterable<Digest>, isWanted: (digest: Digest) => boolean): Promise<void> {
    using claim = new Claim(this.locks);
    for (const digest of digests) {
      await this.#ingest.discard(claim, digest);
      if (!isWanted(digest) && claim.take('blob', digest)) await unlessMissing(unlink(this.#path(digest)));
    }
  }

  /** For what is too large for memory: a file without a name, gone when it is closed or its process dies. */
  scratchFile(): Promise<FileHandle> {
    return this.#ingest.scratchFile();
  }

  /** @internal Through `Lease.writer`. */
  async openWriter(
    lease: Lease,
    expected: ExpectedBlob | undefined,
    signal: AbortSignal | undefined,
  ): Promise<BlobWriter | undefined> {
    const { path, lock } = await this.#ingest.take(expected, signal);
    if (expected !== undefined && (await this.has(expected.digest))) {
      lock[Symbol.dispose]();
      return undefined;
    }
    return BlobWriter.open({
      path,
      expected,
      lock,
      destination: async (digest) => {
        await lease.use('blob', digest);
        return this.#path(digest);
      },
    });
  }

  [Symbol.dispose](): void {
    this.locks[Symbol.dispose]();
  }

  #path(digest: Digest): string {
    return join(this.#directory, 'blobs', ...splitDigest(digest));
  }

  async #open(digest: Digest): Promise<FileHandle> {
    const file = await unlessMissing(open(this.#path(digest), 'r'));
    if (file !== undefined) return file;
    throw new CloisterError('ERR_NOT_FOUND', `there is no blob ${digest} in ${this.#directory}`, {
      subject: digest,
      hint: 'pull or load the image again: what is there already is not fetched twice',
    });
  }
}

function damaged(digest: Digest, what: string): CloisterError {
  return new CloisterError('ERR_DIGEST_MISMATCH', `blob ${digest} is damaged: ${what}`, {
    subject: digest,
    hint: 'remove the image and pull it again; check the disk if this happens twice',
  });
}
