import { Socket } from 'node:net';
import { onAbort, throwIfAborted } from '../shared/abort.js';
import { nativeParts } from './addon.js';
import { closeDescriptor } from './descriptor.js';
import { callAddon } from './kernel.js';
import { layerError } from './layers.js';
import type { IdMapEntry } from './plan.js';

/** A file as it was at some time: as long as all of this is the same, nobody has changed its inode since. */
export interface FileState {
  /** From the tree's root, without a slash in front. */
  readonly path: string;
  readonly inode: bigint;
  /** Nanoseconds since the epoch, `st_ctim`: no program can set it. */
  readonly changedNs: bigint;
  /** With its type, `st_mode`. */
  readonly mode: number;
  /** As outside. */
  readonly uid: number;
  readonly gid: number;
}

export interface PackOptions {
  /**
   * `'tree'` packs all of a directory. `'upper'` packs the upper directory of an overlay as a layer of exactly its changes:
   * whiteouts and opaque directories become `.wh.NAME` and `.wh..wh..opq`, and there is no entry of the root. Default `'tree'`.
   */
  readonly kind?: 'tree' | 'upper';
  /** Whether the overlay was mounted with `userxattr`: its marks are then `user.overlay.*`. Default false. */
  readonly userAttributes?: boolean;
  /** Which ids files have inside. Default: the same as outside. */
  readonly uids?: readonly IdMapEntry[];
  readonly gids?: readonly IdMapEntry[];
  /**
   * What was in the tree before anybody could change it: left out where it is as it was, but for directories that have more
   * in them now. Default: nothing.
   */
  readonly baseline?: readonly FileState[];
}

export interface Packed {
  readonly entries: number;
  /** Of the archive. */
  readonly bytes: number;
  /** Sockets, and files that are mounted over others. */
  readonly skipped: number;
}

const WHAT = 'packing a layer';

/** As much as an unprivileged user may ask for, pipe(7): the packer need not wait for every turn of the event loop. */
const PIPE_BYTES = 2 ** 20;

const HINTS: Readonly<Record<string, string>> = {
  ESTALE: 'something writes to the tree: pause or end it first',
  EOVERFLOW: 'give the id maps of the sandbox that wrote the tree',
  EINVAL: 'a layer cannot hold it: rename or remove it',
  EOPNOTSUPP: 'mount the overlay with metacopy=off and redirect_dir=nofollow',
};

/**
 * Writes a directory tree as an uncompressed tar archive in PAX format, on a thread of its own. The tree may be hostile: links
 * are not followed, mounts not entered, and what it holds cannot lead out of it. The same tree makes the same bytes. What is
 * kept of a file and what is an error: `addon/layers/pack.h`.
 *
 * Both descriptors are copied at once and stay the caller's. A failure leaves the output as far as it came.
 *
 * @param output - descriptor of a file or a pipe; closing the pipe's other end ends the packing.
 * @throws CloisterError `ERR_KERNEL` with the path of what cannot be packed: `ESTALE` when it changed meanwhile, `EOVERFLOW` for
 * an owner that the maps do not have, `EINVAL` for a name or device that would be a whiteout, `EOPNOTSUPP` for a file of an
 * overlay that is not whole without the layers below.
 *
 * @example
 * ```ts
 * const { entries } = await packTree(upper, output, { kind: 'upper', uids, gids });
 * ```
 */
export async function packTree(directory: number, output: number, options: PackOptions = {}): Promise<Packed> {
  const complete = {
    kind: options.kind ?? 'tree',
    userAttributes: options.userAttributes ?? false,
    uids: options.uids ?? [],
    gids: options.gids ?? [],
    baseline: options.baseline ?? [],
  };
  try {
    return await callAddon(() => nativeParts().addon.packTree(directory, output, complete));
  } catch (error) {
    throw layerError(error, HINTS);
  }
}

/**
 * {@link packTree} as a stream. It ends without an error only when all of the tree is packed; leaving the loop ends the packing.
 *
 * @returns what {@link packTree} resolves with, as the generator's value.
 * @throws CloisterError as {@link packTree}; `ERR_ABORTED`.
 */
export async function* packArchive(
  directory: number,
  { signal, ...options }: PackOptions & { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Buffer, Packed> {
  throwIfAborted(signal, WHAT);
  const [output, input] = callAddon(() => nativeParts().addon.pipe('read', PIPE_BYTES));
  const packing = packTree(directory, input, options);
  closeDescriptor(input);
  packing.catch(() => undefined);
  const socket = new Socket({ fd: output, readable: true, writable: false });
  using _listening = onAbort(signal, () => void socket.destroy());
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) yield chunk;
    return await packing;
  } catch (error) {
    throwIfAborted(signal, WHAT);
    throw error;
  } finally {
    socket.destroy();
    await packing.catch(() => undefined);
  }
}
