import type { Digest } from './digest.js';

/** What a storage driver hands over for one sandbox: mounts that are attached nowhere, as open_tree(2) and fsmount(2) make them. */
export type Snapshot = {
  /** Removes what was made for this sandbox alone; called once it has ended. */
  remove?(): Promise<void>;
} & (
  | {
      /** Read-only trees, top layer first; the library stacks them below a writable layer of its own, with overlayfs. */
      readonly kind: 'layers';
      /** Descriptors, the caller's to close. */
      readonly trees: readonly number[];
    }
  | {
      /** One tree that belongs to this sandbox and that it may write to. */
      readonly kind: 'tree';
      /** A descriptor, the caller's to close. */
      readonly tree: number;
    }
);

/** Why a driver cannot be used here. */
export interface Unusable {
  readonly reason: string;
  readonly remedy: string;
}

/** A layer that a storage driver has, whole. */
export interface StoredLayer {
  readonly layer: Digest;
  /** On disk. */
  readonly bytes: number;
}

/** The uncompressed tar archive of a layer, in pieces and only once. */
export interface LayerArchive extends AsyncIterable<Uint8Array> {
  /**
   * Instead of iterating: writes all of it to a file or a pipe, on a thread of its own, which is several times as fast. Not every
   * archive can.
   *
   * @param fd - stays the caller's, who may close it when this settles.
   * @throws what iterating throws; CloisterError `ERR_KERNEL`, with `EPIPE` when nobody reads from the pipe any more; `ERR_ABORTED`.
   */
  writeTo?(fd: number, signal?: AbortSignal): Promise<void>;
}

/**
 * A storage driver: keeps unpacked layers by the digest of their uncompressed archive (OCI: diffID) and makes root file
 * systems of them. Whiteouts are kept with the layer, so that a layer is the same below any other. One whose archive marks its own
 * root as opaque hides all layers below it; overlayfs has no mark for that.
 *
 * Several processes use one driver's directory at once. A process may be killed at any moment: what it left half-made is never
 * seen by `has`, `list` or `prepare`, and is swept later.
 */
export interface Snapshotter {
  /** As users name it: `'overlay'`. */
  readonly name: string;

  /** Finds out by trying whether this machine can use it: undefined, or why not. */
  probe(): Promise<Unusable | undefined>;

  /** Whether the whole layer is there. */
  has(layer: Digest): Promise<boolean>;

  /**
   * Makes a layer out of its uncompressed tar archive. All or nothing: when it rejects, or `archive` throws, nothing is left.
   * The caller sees to it that the archive throws at its end when its digest is not that of `layer`. A layer that is there
   * already, or that another process finishes first, is no error.
   *
   * @throws CloisterError `ERR_LAYER_INVALID` for an archive that is corrupt, truncated, or would reach outside the layer.
   */
  add(layer: Digest, archive: LayerArchive, options?: { readonly signal?: AbortSignal }): Promise<void>;

  /** @param layers - bottom first, each once. @param sandbox - names what is made for it alone. @throws CloisterError `ERR_NOT_FOUND` for a layer that is not there. */
  prepare(layers: readonly Digest[], sandbox: string): Promise<Snapshot>;

  /** All whole layers. */
  list(): Promise<readonly StoredLayer[]>;

  /** Removes a layer that no sandbox is being made from; those that live keep what they have. No such layer is no error. */
  remove(layer: Digest): Promise<void>;

  /** Lets go of what this process holds open; sandboxes that live keep what they have. Called at the end of a host. */
  close?(): Promise<void>;
}
