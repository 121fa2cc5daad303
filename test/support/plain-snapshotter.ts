import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CloisterError,
  openLayer,
  removeLayer,
  unpackLayer,
  type Digest,
  type LayerArchive,
  type Snapshot,
  type Snapshotter,
  type StoredLayer,
} from '../../lib/index.js';

/** A storage driver as a user would write it, of nothing but what the package exports. */
export class PlainSnapshotter implements Snapshotter {
  readonly name = 'plain';
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  #pathOf(layer: Digest, name = ''): string {
    return join(this.#directory, layer.replace(':', '-'), name);
  }

  async probe(): Promise<undefined> {
    return undefined;
  }

  async has(layer: Digest): Promise<boolean> {
    return existsSync(this.#pathOf(layer));
  }

  async add(layer: Digest, archive: LayerArchive, options?: { signal?: AbortSignal }): Promise<void> {
    if (await this.has(layer)) return;
    await mkdir(this.#directory, { recursive: true });
    const draft = await mkdtemp(join(this.#directory, 'draft-'));
    try {
      const about = await unpackLayer(archive, join(draft, 'tree'), options);
      writeFileSync(join(draft, 'about.json'), JSON.stringify(about));
      await rename(draft, this.#pathOf(layer));
    } catch (error) {
      await removeLayer(draft);
      if (!(await this.has(layer))) throw error;
    }
  }

  async prepare(layers: readonly Digest[]): Promise<Snapshot> {
    const missing = layers.find((layer) => !existsSync(this.#pathOf(layer)));
    if (missing !== undefined) throw new CloisterError('ERR_NOT_FOUND', `no layer ${missing}`, { subject: missing });
    const lowest = Math.max(
      layers.findLastIndex((layer) => this.#about(layer).isOpaque),
      0,
    );
    const seen = layers.slice(lowest).reverse();
    return { kind: 'layers', trees: seen.map((layer) => openLayer(this.#pathOf(layer, 'tree'))) };
  }

  async list(): Promise<readonly StoredLayer[]> {
    const names = existsSync(this.#directory) ? await readdir(this.#directory) : [];
    const layers = names.filter((name) => name.startsWith('sha')).map((name) => name.replace('-', ':') as Digest);
    return layers.map((layer) => ({ layer, bytes: this.#about(layer).bytes }));
  }

  async remove(layer: Digest): Promise<void> {
    if (!(await this.has(layer))) return;
    const grave = await mkdtemp(join(this.#directory, 'draft-'));
    await rename(this.#pathOf(layer), join(grave, 'layer'));
    await removeLayer(grave);
  }

  #about(layer: Digest): { bytes: number; isOpaque: boolean } {
    return JSON.parse(readFileSync(this.#pathOf(layer, 'about.json'), 'utf8')) as { bytes: number; isOpaque: boolean };
  }
}
