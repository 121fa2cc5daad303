import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cloneMount } from '../native/mounts.js';
import type { Digest } from '../shared/digest.js';
import { makeRoot, readArchive, unpackInto, writeArchive } from './archive-file.js';
import { LayerStore } from './layer-store.js';
import type { LayerArchive, Snapshot, Snapshotter, StoredLayer, Unusable } from '../shared/snapshotter.js';

const ARCHIVE = 'layer.tar';

/**
 * Keeps every layer as its archive and unpacks all of an image for each sandbox anew: slow, and it needs nothing but a
 * file system. What a sandbox writes has no size limit, and its changes cannot be told from the image.
 */
export class CopySnapshotter implements Snapshotter {
  readonly name = 'copy';
  readonly #store: LayerStore;

  /** @param directory - absolute, shared by all processes of the host. */
  constructor(directory: string) {
    this.#store = new LayerStore(directory);
  }

  async probe(): Promise<Unusable | undefined> {
    return undefined;
  }

  has(layer: Digest): Promise<boolean> {
    return this.#store.has(layer);
  }

  add(layer: Digest, archive: LayerArchive, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    return this.#store.make(layer, async (draft) => {
      const path = join(draft, ARCHIVE);
      const bytes = await writeArchive(archive, path, signal);
      // An archive that cannot be unpacked is refused now, not when a sandbox is to be made of it.
      const trial = join(draft, 'trial');
      await mkdir(trial);
      await unpackInto(readArchive(path), trial, { whiteouts: 'overlay', ...(signal && { signal }) });
      await this.#store.removeDraft(trial);
      return { bytes };
    });
  }

  async prepare(layers: readonly Digest[]): Promise<Snapshot> {
    const archives: string[] = [];
    for (const layer of layers) archives.push(join(await this.#store.find(layer), ARCHIVE));
    const draft = this.#store.makeDraft();
    const remove = (): Promise<void> => this.#store.removeDraft(draft);
    try {
      const tree = join(draft, 'root');
      await makeRoot(tree);
      for (const path of archives) await unpackInto(readArchive(path), tree, { whiteouts: 'apply' });
      return { kind: 'tree', tree: cloneMount(tree, false), remove };
    } catch (error) {
      await remove();
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
