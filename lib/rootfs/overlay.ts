import { join } from 'node:path';
import { cloneMount } from '../native/mounts.js';
import type { Digest } from '../shared/digest.js';
import { makeRoot, unpackInto } from './archive-file.js';
import { LayerStore } from './layer-store.js';
import { probeOverlay } from './probe.js';
import type { LayerArchive, Snapshot, Snapshotter, StoredLayer, Unusable } from '../shared/snapshotter.js';
import { closeDescriptor } from '../native/descriptor.js';

const TREE = 'tree';

/** One directory per layer, unpacked with overlayfs's own whiteouts: works on every file system that can be its lower layer. */
export class OverlaySnapshotter implements Snapshotter {
  readonly name = 'overlay';
  readonly #store: LayerStore;

  /** @param directory - absolute, shared by all processes of the host. */
  constructor(directory: string) {
    this.#store = new LayerStore(directory);
  }

  async probe(): Promise<Unusable | undefined> {
    const draft = this.#store.makeDraft();
    try {
      return await probeOverlay(draft);
    } finally {
      await this.#store.removeDraft(draft);
    }
  }

  has(layer: Digest): Promise<boolean> {
    return this.#store.has(layer);
  }

  add(layer: Digest, archive: LayerArchive, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    return this.#store.make(layer, async (draft) => {
      const tree = join(draft, TREE);
      await makeRoot(tree);
      return await unpackInto(archive, tree, { whiteouts: 'overlay', ...(signal && { signal }) });
    });
  }

  async prepare(layers: readonly Digest[]): Promise<Snapshot> {
    const paths: string[] = [];
    for (const layer of this.#store.seen(layers)) paths.push(join(await this.#store.find(layer), TREE));
    const trees: number[] = [];
    try {
      for (const path of paths.reverse()) trees.push(cloneMount(path, false));
      return { kind: 'layers', trees };
    } catch (error) {
      for (const fd of trees) closeDescriptor(fd);
      throw error;
    }
  }

  list(): Promise<readonly StoredLayer[]> {
    return this.#store.list();
  }

  remove(layer: Digest): Promise<void> {
    return this.#store.remove(layer);
  }
}
