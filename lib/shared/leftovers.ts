import type { Digest } from './digest.js';
import type { StoredLayer } from './snapshotter.js';

/** What lies below a host's directory beside the layers of the storage driver in use. */
export interface Leftovers {
  /** Whole layers that the library's other drivers have unpacked, each once, with the bytes of all. */
  list(): Promise<readonly StoredLayer[]>;

  /** Removes a layer of theirs; those who have it mounted keep it. */
  remove(layer: Digest): Promise<void>;

  /**
   * Removes what will never be whole, of the driver in use, too: what processes that are gone were making, and layers that were
   * not on disk when the machine went down.
   *
   * @param isFree - whether nobody is making this layer; nobody may begin to until this resolves.
   */
  sweep(isFree: (layer: Digest) => boolean): Promise<void>;
}

/** Where there is one driver only. */
export const NO_LEFTOVERS: Leftovers = {
  list: async () => [],
  remove: async () => undefined,
  sweep: async () => undefined,
};
