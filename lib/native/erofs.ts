import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CloisterError } from '../errors.js';
import type { Digest } from '../shared/digest.js';
import { isFull } from '../shared/file-error.js';
import { nativeParts } from './addon.js';
import { feedJob } from './decompress.js';
import { closeDescriptor } from './descriptor.js';
import { callAddon } from './kernel.js';
import { layerError } from './layers.js';

export interface IndexOptions {
  /** What the archive is: its digest, which {@link mountErofs} asks for again. */
  readonly layer: Digest;
  /** Of all files together, holes included. Default 64 GiB. */
  readonly maxBytes?: number;
  /** Directories that no entry describes count, too. Default 4,000,000. */
  readonly maxEntries?: number;
  /** Of the index, besides pieces of sparse files that it has to copy. Default 1 GiB; an entry takes about 130 bytes. */
  readonly maxIndexBytes?: number;
}

export interface Indexed {
  /** Directories that no entry describes count, too. */
  readonly entries: number;
  /** Of the index. */
  readonly bytes: number;
  readonly archiveBytes: number;
  /** Extended attributes that a layer may not set or that no file system stores. */
  readonly droppedAttributes: number;
  /** As of what is unpacked: nothing of any lower layer is to be seen, and this one has to be the lowest. */
  readonly isOpaque: boolean;
}

/**
 * Writes an EROFS index of an uncompressed tar archive: a file system whose metadata is a file of its own (1 % of a usual
 * archive) and whose file contents stay in the archive. Nothing is unpacked. Entries mean what they mean to `unpackTar`.
 *
 * The index is sealed at the very end, so that one that was not finished is never mounted; making it durable, fsync(2), and
 * checking the archive's digest is for the caller. The same archive makes the same index.
 *
 * @param archive - descriptor of a file, read from its start, or of a pipe. Contents of a file are not read, only headers.
 * @param index - descriptor of an empty file, open for reading and writing.
 * @throws CloisterError `ERR_LAYER_INVALID` for an archive that is corrupt, truncated, reaches outside or exceeds a limit;
 * `ERR_KERNEL` for a refused call, such as `ENOSPC`.
 *
 * @example
 * ```ts
 * await indexTar(archive.fd, index.fd, { layer: 'sha256:0a1b…' });
 * const mount = await mountErofs(index.fd, archive.fd, 'sha256:0a1b…');
 * ```
 */
export async function indexTar(archive: number, index: number, options: IndexOptions): Promise<Indexed> {
  try {
    return await callAddon(() => nativeParts().addon.indexTar(archive, index, withDefaults(options)));
  } catch (error) {
    throw layerError(error);
  }
}

/**
 * As {@link indexTar} while the archive is still being written, of which nothing is read twice then, and nothing after it has
 * left the page cache.
 *
 * @param archive - descriptor of the file, read from its start: one that shares no offset with the writer's, open(2).
 * @param write - appends to the file; resolves when it is whole. Its signal is aborted when the archive turns out to be
 * unusable.
 * @throws what `write` throws, before what {@link indexTar} throws. Neither goes on then.
 *
 * @example
 * ```ts
 * await indexWhile((signal) => archive.writeTo(output.fd, signal), input.fd, index.fd, { layer: 'sha256:0a1b…' });
 * ```
 */
export async function indexWhile(
  write: (signal: AbortSignal) => Promise<unknown>,
  archive: number,
  index: number,
  { signal, ...options }: IndexOptions & { readonly signal?: AbortSignal | undefined },
): Promise<Indexed> {
  const stop = new AbortController();
  const writing = write(signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]));
  // Its end is the whole message: the pipe is closed, however it comes to that.
  // eslint-disable-next-line require-yield
  const untilWritten = async function* (): AsyncGenerator<Uint8Array> {
    await writing;
  };
  try {
    return await feedJob(untilWritten(), 'indexing a layer', undefined, (writer) =>
      nativeParts().addon.indexTar(archive, index, withDefaults(options), writer),
    );
  } catch (error) {
    stop.abort();
    await writing.catch(() => undefined);
    throw layerError(error);
  }
}

function withDefaults(options: IndexOptions): Required<IndexOptions> {
  return {
    layer: options.layer,
    maxBytes: options.maxBytes ?? 64 * 2 ** 30,
    maxEntries: options.maxEntries ?? 4_000_000,
    maxIndexBytes: options.maxIndexBytes ?? 2 ** 30,
  };
}

const MOUNT_HINTS: Readonly<Record<string, string>> = {
  EUCLEAN: 'index and archive were changed or cut off: make the index again from an archive whose digest was checked',
  ENODEV: 'this kernel has no EROFS (CONFIG_EROFS_FS): use another storage driver',
  ENOTBLK:
    'EROFS from files needs Linux 6.12 with CONFIG_EROFS_FS_BACKED_BY_FILE, on a disk file system (not on a tmpfs)',
  EPERM: 'mounting EROFS takes CAP_SYS_ADMIN outside of user namespaces: use another storage driver',
};

/**
 * Mounts an index and its archive, read-only and without device nodes, with no loop device. The whole index is read before that
 * and has to be what {@link indexTar} wrote for `layer`; of the archive, its size.
 *
 * @param attributes - `MOUNT_ATTR_*`, mount_setattr(2), besides read-only and nodev.
 * @returns the descriptor of a detached mount, the caller's to close. Index and archive may be closed.
 * @throws CloisterError `ERR_KERNEL`: with `EUCLEAN` when the files are not what they were; `ENODEV`, `ENOTBLK` or `EPERM` where
 * this machine cannot, see {@link probeErofs}.
 */
export async function mountErofs(index: number, archive: number, layer: Digest, attributes = 0): Promise<number> {
  try {
    return await callAddon(() => nativeParts().addon.mountErofs(index, archive, layer, attributes));
  } catch (error) {
    throw layerError(error, MOUNT_HINTS);
  }
}

/**
 * Whether indexes in `directory` can be mounted, found out by mounting one.
 *
 * @returns undefined, or why not and what to do.
 * @throws what says neither, such as a full disk.
 */
export async function probeErofs(directory: string): Promise<{ reason: string; remedy: string } | undefined> {
  const layer: Digest = `sha256:${'0'.repeat(64)}`;
  const scratch = await mkdtemp(join(directory, '.erofs-probe-'));
  try {
    await writeFile(join(scratch, 'archive'), Buffer.alloc(1024));
    await using archive = await open(join(scratch, 'archive'), 'r');
    await using index = await open(join(scratch, 'index'), 'wx+');
    await indexTar(archive.fd, index.fd, { layer });
    closeDescriptor(await mountErofs(index.fd, archive.fd, layer));
    return undefined;
  } catch (error) {
    if (!CloisterError.is(error) || error.code !== 'ERR_KERNEL' || isFull(error)) throw error;
    const [reason = error.message] = error.message.split('\n');
    return { reason, remedy: error.hint ?? 'use another storage driver' };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
