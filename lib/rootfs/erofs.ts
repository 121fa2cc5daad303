import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { indexWhile, mountErofs, probeErofs } from '../native/erofs.js';
import { cloneMountOf } from '../native/mounts.js';
import type { Digest } from '../shared/digest.js';
import type { LayerArchive, Snapshot, Snapshotter, StoredLayer, Unusable } from '../shared/snapshotter.js';
import { writeArchive } from './archive-file.js';
import { LayerStore } from './layer-store.js';
import { probeOverlay } from './probe.js';
import { closeDescriptor } from '../native/descriptor.js';

const ARCHIVE = 'layer.tar';
const INDEX = 'index.erofs';

/**
 * Keeps a layer as its archive and an EROFS index over it: no file of the layer is ever made. The two are mounted as they
 * are, without a loop device, once per process; every sandbox gets a view of that mount, so all share its page cache.
 */
export class ErofsSnapshotter implements Snapshotter {
  readonly name = 'erofs';
  readonly #store: LayerStore;
  readonly #mounts = new Map<Digest, Promise<number>>();

  /** @param directory - absolute, shared by all processes of the host. */
  constructor(directory: string) {
    this.#store = new LayerStore(directory);
  }

  async probe(): Promise<Unusable | undefined> {
    const draft = this.#store.makeDraft();
    try {
      return (await probeErofs(draft)) ?? (await probeOverlay(draft));
    } finally {
      await this.#store.removeDraft(draft);
    }
  }

  has(layer: Digest): Promise<boolean> {
    return this.#store.has(layer);
  }

  add(layer: Digest, archive: LayerArchive, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    return this.#store.make(layer, async (draft) => {
      await this.#unmount(layer);
      const path = join(draft, ARCHIVE);
      await using file = await open(path, 'wx+', 0o600);
      await using index = await open(join(draft, INDEX), 'wx+', 0o600);
      const write = (stop: AbortSignal): Promise<unknown> => writeArchive(archive, path, stop);
      const { bytes, archiveBytes, isOpaque } = await indexWhile(write, file.fd, index.fd, { layer, signal });
      return { bytes: archiveBytes + bytes, isOpaque };
    });
  }

  async prepare(layers: readonly Digest[]): Promise<Snapshot> {
    const mounts = await Promise.all(this.#store.seen(layers).map((layer) => this.#mount(layer)));
    const trees: number[] = [];
    try {
      for (const mount of mounts.reverse()) trees.push(cloneMountOf(mount));
      return { kind: 'layers', trees };
    } catch (error) {
      for (const fd of trees) closeDescriptor(fd);
      throw error;
    }
  }

  async list(): Promise<readonly StoredLayer[]> {
    await this.#unmountRemoved();
    return this.#store.list();
  }

  async remove(layer: Digest): Promise<void> {
    await this.#unmount(layer);
    await this.#store.remove(layer);
  }

  async close(): Promise<void> {
    for (const layer of [...this.#mounts.keys()]) await this.#unmount(layer);
  }

  async #unmount(layer: Digest): Promise<void> {
    const mount = this.#mounts.get(layer);
    this.#mounts.delete(layer);
    await mount?.then(closeDescriptor, () => undefined);
  }

  /** What another process has removed: a mount would keep its space. Nobody prepares with it, or it could not be removed. */
  async #unmountRemoved(): Promise<void> {
    for (const layer of [...this.#mounts.keys()]) if (!(await this.#store.has(layer))) await this.#unmount(layer);
  }

  async #mount(layer: Digest): Promise<number> {
    const path = await this.#store.find(layer).catch(async (error: unknown) => {
      // Another process has removed it: a mount would keep its space.
      await this.#unmount(layer);
      throw error;
    });
    const known = this.#mounts.get(layer);
    if (known !== undefined) return known;
    const mount = this.#unmountRemoved().then(() => mountLayer(path, layer));
    this.#mounts.set(layer, mount);
    mount.catch(() => this.#mounts.delete(layer));
    return mount;
  }
}

async function mountLayer(path: string, layer: Digest): Promise<number> {
  await using archive = await open(join(path, ARCHIVE), 'r');
  await using index = await open(join(path, INDEX), 'r');
  return await mountErofs(index.fd, archive.fd, layer);
}
