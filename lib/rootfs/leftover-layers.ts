import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../shared/digest.js';
import type { Leftovers } from '../shared/leftovers.js';
import type { StoredLayer } from '../shared/snapshotter.js';
import { LayerStore } from './layer-store.js';
import { OwnedDirectory } from './owned-directory.js';

/** Directories below that of the host which only processes that live have something in. */
const OWNED = ['writable', 'flat'];

/** Finds leftovers where the library's own drivers keep their layers; where others do, only they know. */
export class LeftoverLayers implements Leftovers {
  readonly #root: string;
  readonly #directories: readonly string[];
  /** Undefined: a driver that is none of the library's. */
  readonly #inUse: string | undefined;

  /** @param root - of the host. @param directories - of the drivers. @param inUse - one of them. */
  constructor(root: string, directories: readonly string[], inUse: string | undefined) {
    this.#root = root;
    this.#directories = directories;
    this.#inUse = inUse;
  }

  async list(): Promise<readonly StoredLayer[]> {
    const bytes = new Map<Digest, number>();
    for (const store of this.#stores(this.#inUse)) {
      for (const each of await store.list()) bytes.set(each.layer, (bytes.get(each.layer) ?? 0) + each.bytes);
    }
    return [...bytes].map(([layer, sum]) => ({ layer, bytes: sum }));
  }

  async remove(layer: Digest): Promise<void> {
    for (const store of this.#stores(this.#inUse)) await store.remove(layer);
  }

  async sweep(isFree: (layer: Digest) => boolean): Promise<void> {
    for (const name of OWNED) await new OwnedDirectory(join(this.#root, name)).sweep();
    for (const store of this.#stores()) await store.sweep(isFree);
  }

  /** A driver that was never used here is not given a directory. */
  #stores(except?: string): readonly LayerStore[] {
    return this.#directories.filter((path) => path !== except && existsSync(path)).map((path) => new LayerStore(path));
  }
}
