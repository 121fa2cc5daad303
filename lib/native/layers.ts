import { availableParallelism } from 'node:os';
import { CloisterError } from '../errors.js';
import { onAbort, throwIfAborted } from '../shared/abort.js';
import type { LayerArchive } from '../shared/snapshotter.js';
import { nativeParts } from './addon.js';
import { feedJob, PIPE_BYTES } from './decompress.js';
import { closeDescriptor } from './descriptor.js';
import { errnoName } from './errno.js';
import { callAddon, isAddonError, kernelError } from './kernel.js';

export interface UnpackOptions {
  /**
   * `'overlay'` writes whiteouts down as overlayfs reads them, into an empty directory. `'apply'` removes what they name from
   * a directory that holds the layers below. Default `'overlay'`.
   */
  readonly whiteouts?: 'overlay' | 'apply';
  /** Of all files together, holes included. Default 64 GiB. */
  readonly maxBytes?: number;
  /** Directories that no entry describes count, too. Default 4,000,000. */
  readonly maxEntries?: number;
  /** That create files, besides the one that reads the archive; 1 to 16. Default: half of what the machine has, 4 at most. */
  readonly threads?: number;
  /** Whether all is on disk at the end, syncfs(2). Default false. */
  readonly sync?: boolean;
}

export interface Unpacked {
  readonly entries: number;
  /** Of all files together, holes included. */
  readonly bytes: number;
  readonly whiteouts: number;
  /** Extended attributes that a layer may not set or that the file system has no place for. */
  readonly droppedAttributes: number;
  /** Directories that no entry describes. */
  readonly impliedDirectories: number;
  /** An entry describes the layer's own directory: its mode and owner are the image's. */
  readonly hasRoot: boolean;
  /** With `'overlay'`: nothing of any lower layer is to be seen. Overlayfs knows no such layer; it has to be the lowest one. */
  readonly isOpaque: boolean;
}

const DEFAULT_MAX_BYTES = 64 * 2 ** 30;
const DEFAULT_MAX_ENTRIES = 4_000_000;
const MAX_DEFAULT_THREADS = 4;
const UNPACKING = 'unpacking a layer';

/** How the native side names a fault of an archive, `addon/layers/fault.h`. */
const ARCHIVE_CALL = 'tar(5)';

/** By the errno that a fault carries, `addon/layers/fault.h`. */
const HINTS: Readonly<Record<string, string>> = {
  ENODATA: 'the archive was cut off: fetch it again',
  EXDEV: 'nothing was written outside of the layer; do not trust where this image comes from',
  EFBIG: 'if the image is to be trusted, raise the limit',
};

/**
 * What a promise of the addon rejects with, as an error for people.
 *
 * @param kernelHints - by errno, for refused calls.
 */
export function layerError(reason: unknown, kernelHints: Readonly<Record<string, string>> = {}): unknown {
  if (CloisterError.is(reason) || !isAddonError(reason)) return reason;
  if (reason.syscall !== ARCHIVE_CALL) return kernelError(reason, kernelHints[errnoName(reason.errno)]);
  const errno = errnoName(reason.errno);
  const hint = HINTS[errno];
  return new CloisterError('ERR_LAYER_INVALID', `layer archive, ${reason.subject}`, {
    subject: reason.subject,
    ...(hint === undefined ? {} : { hint }),
  });
}

function withDefaults(options: UnpackOptions): Required<UnpackOptions> {
  const threads = Math.min(Math.ceil(availableParallelism() / 2), MAX_DEFAULT_THREADS);
  return {
    whiteouts: options.whiteouts ?? 'overlay',
    maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
    maxEntries: options.maxEntries ?? DEFAULT_MAX_ENTRIES,
    threads: options.threads ?? threads,
    sync: options.sync ?? false,
  };
}

/**
 * Unpacks an uncompressed tar archive into a directory, and never outside of it, on threads of its own. What entries mean and
 * which are refused: `addon/layers/unpack.h`. It is read up to its end; closing the other end of a pipe cuts it off.
 *
 * Both descriptors are copied at once and stay the caller's. A failure leaves the directory as far as it came.
 *
 * @throws CloisterError `ERR_LAYER_INVALID` for an archive that is corrupt, truncated, reaches outside or exceeds a limit,
 * with the offset and the entry; `ERR_KERNEL` for a refused call, such as `ENOSPC`.
 */
export async function unpackTar(input: number, directory: number, options: UnpackOptions = {}): Promise<Unpacked> {
  const { addon } = nativeParts();
  try {
    return await callAddon(() => addon.unpackTar(input, directory, withDefaults(options)));
  } catch (error) {
    throw layerError(error);
  }
}

/**
 * {@link unpackTar} for an archive that arrives in pieces. Whatever fails, nothing is unpacked any more when it rejects: with
 * the failure of `archive` if that came first, for instance one that finds at its end that a digest is wrong.
 *
 * @throws CloisterError as {@link unpackTar}; `ERR_ABORTED`; whatever `archive` throws.
 *
 * @example
 * ```ts
 * await unpackArchive(createReadStream('layer.tar'), directory, { signal });
 * ```
 */
export async function unpackArchive(
  archive: LayerArchive,
  directory: number,
  { signal, ...options }: UnpackOptions & { readonly signal?: AbortSignal } = {},
): Promise<Unpacked> {
  const start = (input: number): Promise<Unpacked> => unpackTar(input, directory, options);
  if (archive.writeTo === undefined) return feedJob(archive, UNPACKING, signal, start);
  throwIfAborted(signal, UNPACKING);
  return unpackWritten(archive.writeTo.bind(archive), signal, start);
}

/** {@link unpackArchive} between two threads: one writes into a pipe, the other unpacks. */
async function unpackWritten(
  writeTo: NonNullable<LayerArchive['writeTo']>,
  signal: AbortSignal | undefined,
  start: (input: number) => Promise<Unpacked>,
): Promise<Unpacked> {
  const [output, input] = callAddon(() => nativeParts().addon.pipe('write', PIPE_BYTES, true));
  const unpacking = start(output);
  closeDescriptor(output);
  // Whoever writes may be waiting for the network, and would not notice that nobody reads any more.
  const writer = new AbortController();
  const stop = (): void => writer.abort();
  unpacking.catch(stop);
  using _listening = onAbort(signal, stop);
  const writing = writeTo(input, writer.signal).finally(() => closeDescriptor(input));
  const [unpacked, written] = await Promise.allSettled([unpacking, writing]);

  throwIfAborted(signal, UNPACKING);
  if (written.status === 'rejected' && !(unpacked.status === 'rejected' && isStopped(written.reason)))
    throw written.reason;
  if (unpacked.status === 'rejected') throw unpacked.reason;
  return unpacked.value;
}

/** Of one who writes: that the other end has left, not a reason of its own. */
function isStopped(error: unknown): boolean {
  return CloisterError.is(error) && (error.code === 'ERR_ABORTED' || error.errno === 'EPIPE');
}

/**
 * Removes a directory (or file) and all in it, on a thread of its own: never through a link, never across a mount, at any
 * depth. Nothing there is no error.
 *
 * @param parent - descriptor of the directory that holds it; stays the caller's.
 * @throws CloisterError `ERR_KERNEL`.
 */
export async function removeTree(parent: number, name: string): Promise<void> {
  const { addon } = nativeParts();
  try {
    await callAddon(() => addon.removeTree(parent, name));
  } catch (error) {
    throw layerError(error);
  }
}

/** Resolves when all of the file system that a descriptor is on is on disk, syncfs(2). @throws CloisterError `ERR_KERNEL`. */
export async function syncFilesystem(fd: number): Promise<void> {
  const { addon } = nativeParts();
  try {
    await callAddon(() => addon.syncFilesystem(fd));
  } catch (error) {
    throw layerError(error);
  }
}
