import { join } from 'node:path';
import { CloisterError } from '../errors.js';
import { fileError, isFull } from '../shared/file-error.js';
import { CopySnapshotter } from './copy.js';
import { ErofsSnapshotter } from './erofs.js';
import { LeftoverLayers } from './leftover-layers.js';
import { OverlaySnapshotter } from './overlay.js';
import type { Leftovers } from '../shared/leftovers.js';
import type { Snapshotter } from '../shared/snapshotter.js';

export const STORAGE_DRIVERS = ['overlay', 'erofs', 'copy'] as const;
/** The storage drivers of the library, by name; `docs/guide-images.md` compares them. */
export type StorageDriver = (typeof STORAGE_DRIVERS)[number];

/** What was tried, in order; the last one is used. */
export interface StorageChoice {
  readonly snapshotter: Snapshotter;
  /** Those that were passed over, with the reason. */
  readonly refused: readonly { readonly name: string; readonly reason: string }[];
  readonly leftovers: Leftovers;
}

function pathOf(name: StorageDriver, directory: string): string {
  return join(directory, 'layers', name);
}

function leftoversBeside(snapshotter: Snapshotter, isOurs: boolean, directory: string): Leftovers {
  const paths = STORAGE_DRIVERS.map((name) => pathOf(name, directory));
  const inUse = STORAGE_DRIVERS.find((name) => isOurs && name === snapshotter.name);
  return new LeftoverLayers(directory, paths, inUse === undefined ? undefined : pathOf(inUse, directory));
}

function make(name: StorageDriver, directory: string): Snapshotter {
  const path = pathOf(name, directory);
  if (name === 'overlay') return new OverlaySnapshotter(path);
  return name === 'erofs' ? new ErofsSnapshotter(path) : new CopySnapshotter(path);
}

/**
 * The first driver that works here, or the one that was asked for. On a full disk nothing can be tried, and images must be
 * there to be removed: one that was asked for or has layers here is taken at its word then.
 *
 * @param directory - absolute; each driver has a directory of its own in it.
 * @throws CloisterError `ERR_UNSUPPORTED` with the reason of every driver that was tried; `ERR_KERNEL` for a full disk without layers.
 */
export async function chooseStorage(
  directory: string,
  wanted: StorageDriver | Snapshotter | undefined,
): Promise<StorageChoice> {
  const candidates =
    wanted === undefined
      ? STORAGE_DRIVERS.map((name) => make(name, directory))
      : [typeof wanted === 'string' ? make(wanted, directory) : wanted];
  const refused: { name: string; reason: string; remedy: string }[] = [];
  let full: unknown;
  for (const snapshotter of candidates) {
    const refusal = await snapshotter.probe().catch((error: unknown) => {
      if (!isFull(error)) throw error;
      full ??= error;
      return undefined;
    });
    if (refusal !== undefined) refused.push({ name: snapshotter.name, ...refusal });
    else if (full === undefined || wanted !== undefined || (await snapshotter.list()).length > 0) {
      const isOurs = typeof wanted !== 'object';
      return { snapshotter, refused, leftovers: leftoversBeside(snapshotter, isOurs, directory) };
    }
  }
  if (full !== undefined) throw fileError(full, directory);
  const lines = refused.map(({ name, reason }) => `${name}: ${reason}`);
  throw new CloisterError('ERR_UNSUPPORTED', `no storage driver works here:\n  ${lines.join('\n  ')}`, {
    subject: refused.map(({ name }) => name).join(', '),
    hint: refused.map(({ name, remedy }) => `${name}: ${remedy}`).join('; '),
  });
}
