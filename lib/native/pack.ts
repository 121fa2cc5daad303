import { nativeParts } from './addon.js';
import { callAddon } from './kernel.js';
import { layerError } from './layers.js';
import type { IdMapEntry } from './plan.js';

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
}

export interface Packed {
  readonly entries: number;
  /** Of the archive. */
  readonly bytes: number;
  /** Sockets, and files that are mounted over others. */
  readonly skipped: number;
}

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
  };
  try {
    return await callAddon(() => nativeParts().addon.packTree(directory, output, complete));
  } catch (error) {
    throw layerError(error, HINTS);
  }
}
