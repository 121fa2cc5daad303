import { existsSync, realpathSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CloisterError } from '../errors.js';
import { syncFilesystem } from '../native/layers.js';
import { parseDigest, splitDigest, type Digest } from '../shared/digest.js';
import { isFull, unlessMissing } from '../shared/file-error.js';
import { makeDirectory } from '../shared/make-directory.js';
import { bootId } from '../shared/owner.js';
import { OwnedDirectory } from './owned-directory.js';
import type { StoredLayer } from '../shared/snapshotter.js';

const ABOUT = 'layer.json';
const SYNCED = 'synced';
const OPAQUE = 'opaque';

/** What a layer turned out to be. */
export interface Filled {
  readonly bytes: number;
  /** Nothing of the layers below is seen. Default: false. */
  readonly isOpaque?: boolean;
}

interface About {
  readonly bytes: number;
  /** The boot in which it was made. */
  readonly boot: string;
}

/**
 * Directories named by digest, each whole or not there: made beside and renamed. Pulling does not wait for the disk:
 * a layer is synced afterwards, and one that was not when the machine went down is made again.
 */
export class LayerStore {
  readonly #directory: string;
  #realDirectory: string | undefined;
  readonly #drafts: OwnedDirectory;
  readonly #making = new Map<Digest, Promise<void>>();
  readonly #trusted = new Set<Digest>();
  readonly #opaque = new Map<Digest, boolean>();

  constructor(directory: string) {
    this.#directory = directory;
    this.#drafts = new OwnedDirectory(join(directory, 'drafts'));
  }

  /** Where a layer is, once it is there. What is mounted passes no link, so there is none on the way. */
  pathOf(layer: Digest): string {
    return join(this.#base, ...splitDigest(layer));
  }

  get #base(): string {
    if (this.#realDirectory !== undefined) return this.#realDirectory;
    makeDirectory(this.#directory, 0o711);
    return (this.#realDirectory = realpathSync(this.#directory));
  }

  async has(layer: Digest): Promise<boolean> {
    const path = this.pathOf(layer);
    if (this.#trusted.has(layer) && existsSync(join(path, ABOUT))) return true;
    const about = await this.#about(path);
    const isWhole = about !== undefined && (about.boot === bootId() || existsSync(join(path, SYNCED)));
    if (isWhole) this.#trusted.add(layer);
    return isWhole;
  }

  /** @throws CloisterError `ERR_NOT_FOUND` */
  async find(layer: Digest): Promise<string> {
    if (await this.has(layer)) return this.pathOf(layer);
    throw new CloisterError('ERR_NOT_FOUND', `layer ${layer} is not in ${this.#directory}`, {
      subject: layer,
      hint: 'pull or load its image again',
    });
  }

  /**
   * The layers of an image that can be seen: overlayfs knows no opaque root, so that what is below one is left out.
   *
   * @param layers - bottom first, as is what it returns.
   */
  seen(layers: readonly Digest[]): readonly Digest[] {
    const lowest = layers.findLastIndex((layer) => this.#isOpaque(layer));
    return layers.slice(Math.max(lowest, 0));
  }

  /** A layer that is whole stays what it is, whoever removes it and makes it again. */
  #isOpaque(layer: Digest): boolean {
    const known = this.#opaque.get(layer);
    if (known !== undefined) return known;
    const isOpaque = existsSync(join(this.pathOf(layer), OPAQUE));
    if (this.#trusted.has(layer)) this.#opaque.set(layer, isOpaque);
    return isOpaque;
  }

  /**
   * Concurrent calls for one layer share the work; another process may do it as well, and the first to finish is kept.
   *
   * @param fill - fills an empty directory.
   */
  make(layer: Digest, fill: (draft: string) => Promise<Filled>): Promise<void> {
    const known = this.#making.get(layer);
    if (known !== undefined) return known;
    const work = this.#make(layer, fill).finally(() => this.#making.delete(layer));
    this.#making.set(layer, work);
    return work;
  }

  async list(): Promise<readonly StoredLayer[]> {
    const layers: StoredLayer[] = [];
    for (const layer of await this.#all()) {
      if (await this.has(layer)) layers.push({ layer, bytes: (await this.#about(this.pathOf(layer)))?.bytes ?? 0 });
    }
    return layers;
  }

  /** As `Leftovers.sweep`. */
  async sweep(isFree: (layer: Digest) => boolean): Promise<void> {
    await this.#drafts.sweep();
    for (const layer of await this.#all()) {
      // Looked at again when it is free: it may have been made anew.
      if (!(await this.has(layer)) && isFree(layer) && !(await this.has(layer))) await this.remove(layer);
    }
  }

  /** It is gone at once, and its files some time later; on a full disk with them. */
  async remove(layer: Digest): Promise<void> {
    this.#trusted.delete(layer);
    const grave = this.#makeGrave();
    if (grave === undefined) return this.#removeInPlace(layer);
    try {
      await rename(this.pathOf(layer), join(grave, 'layer'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    } finally {
      await this.#drafts.remove(grave);
    }
  }

  /** Makes a directory that goes with this process. */
  makeDraft(): string {
    return realpathSync(this.#drafts.make());
  }

  removeDraft(path: string): Promise<void> {
    return this.#drafts.remove(path);
  }

  /** Undefined on a full disk, where removing must work all the same. */
  #makeGrave(): string | undefined {
    try {
      return this.#drafts.make();
    } catch (error) {
      if (!isFull(error)) throw error;
      return undefined;
    }
  }

  /** First what says that it is whole: what a killed process leaves of it is half-made. */
  async #removeInPlace(layer: Digest): Promise<void> {
    const path = this.pathOf(layer);
    await unlessMissing(unlink(join(path, ABOUT)));
    if (existsSync(path)) await this.#drafts.remove(path);
  }

  /** Those that are not whole, too. */
  async #all(): Promise<readonly Digest[]> {
    const found: Digest[] = [];
    // Looking makes no directory: there may be no space for one.
    if (!existsSync(this.#directory)) return found;
    for (const algorithm of ['sha256', 'sha512']) {
      const names = (await unlessMissing(readdir(join(this.#base, algorithm)))) ?? [];
      found.push(...names.flatMap((name) => parseDigest(`${algorithm}:${name}`) ?? []));
    }
    return found;
  }

  async #make(layer: Digest, fill: (draft: string) => Promise<Filled>): Promise<void> {
    if (await this.has(layer)) return;
    const draft = this.#drafts.make();
    const content = join(draft, 'layer');
    try {
      await mkdir(content, { mode: 0o700 });
      const { bytes, isOpaque = false } = await fill(content);
      if (isOpaque) await writeFile(join(content, OPAQUE), '');
      const about: About = { bytes, boot: bootId() };
      await writeFile(join(content, ABOUT), JSON.stringify(about));
      await this.#publish(layer, content);
    } finally {
      await this.#drafts.remove(draft);
    }
  }

  async #publish(layer: Digest, content: string): Promise<void> {
    const path = this.pathOf(layer);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    try {
      await rename(content, path);
    } catch (error) {
      if (!(await this.has(layer))) {
        if (!isOccupied(error)) throw error;
        // Left over from a boot that ended before it was on disk.
        await this.remove(layer);
        await rename(content, path);
      }
      return;
    }
    this.#trusted.add(layer);
    void markSynced(path).catch(() => undefined);
  }

  async #about(path: string): Promise<About | undefined> {
    try {
      return JSON.parse(await readFile(join(path, ABOUT), 'utf8')) as About;
    } catch {
      return undefined;
    }
  }
}

async function markSynced(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await syncFilesystem(directory.fd);
  } finally {
    await directory.close();
  }
  await writeFile(join(path, SYNCED), '');
}

/** rename(2) onto a directory that is not empty. */
function isOccupied(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOTEMPTY' || code === 'EEXIST';
}
