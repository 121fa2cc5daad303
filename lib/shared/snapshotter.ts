import type { Digest } from './digest.js';

/**
 * What a storage driver hands over for one sandbox. Descriptors are detached mounts, open_tree(2) or fsmount(2); disposing it
 * closes them and removes what was made for that sandbox alone.
 */
export type Snapshot = AsyncDisposable &
  (
    | {
        /** Read-only trees, top layer first; the library stacks them below a writable layer of its own, with overlayfs. */
        readonly kind: 'layers';
        readonly trees: readonly number[];
      }
    | {
        /** One tree that belongs to this sandbox and that it may write to. */
        readonly kind: 'tree';
        readonly tree: number;
      }
  );

/**
 * A storage driver: keeps unpacked layers by the digest of their uncompressed archive (OCI: diffID) and makes root file
 * systems of them. Whiteouts are kept with the layer, so that a layer is the same below any other.
 *
 * Several processes use one driver's directory at once. A process may be killed at any moment: what it left half-made is never
 * seen by `has`, `list` or `prepare`, and goes with a later `remove` or the next start.
 */
export interface Snapshotter {
  /** As users name it: `'overlay'`. */
  readonly name: string;

  /** Finds out by trying whether this machine can use it: undefined, or the reason why not and what to do. */
  probe(): Promise<{ readonly reason: string; readonly remedy: string } | undefined>;

  /** Whether the whole layer is there. */
  has(layer: Digest): Promise<boolean>;

  /**
   * Makes a layer out of its uncompressed tar archive. All or nothing: when it rejects, or `archive` fails, nothing is left.
   * The caller has made sure that the archive fails at its end when its digest is not that of `layer`. A layer that is
   * there already, or that another process finishes first, is no error.
   *
   * @throws CloisterError `ERR_LAYER_INVALID` for an archive that is corrupt, truncated, or would reach outside the layer.
   */
  add(layer: Digest, archive: AsyncIterable<Uint8Array>, options: { readonly signal?: AbortSignal }): Promise<void>;

  /** Makes the root of one sandbox. @param layers - bottom first. @throws CloisterError `ERR_NOT_FOUND` for a layer that is not there. */
  prepare(layers: readonly Digest[], sandbox: string): Promise<Snapshot>;

  /** Digests and sizes on disk of all whole layers. */
  list(): Promise<readonly { readonly layer: Digest; readonly bytes: number }[]>;

  /** Removes a layer that no sandbox is being made from; sandboxes that live keep what they have. No layer is no error. */
  remove(layer: Digest): Promise<void>;
}
