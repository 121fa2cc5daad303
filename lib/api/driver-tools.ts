import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { invalidOption } from '../errors.js';
import { removeTree } from '../native/layers.js';
import { cloneMount } from '../native/mounts.js';
import { makeRoot, unpackInto } from '../rootfs/archive-file.js';
import { fileError } from '../shared/file-error.js';
import type { LayerArchive } from '../shared/snapshotter.js';
import { checkObject, checkSignal, checkText } from './check.js';

/** What is known of a layer that was unpacked. */
export interface UnpackedLayer {
  /** Of all its files, holes included. */
  readonly bytes: number;
  /** Its root is opaque: {@link Snapshotter.prepare} gives nothing of the layers below it. */
  readonly isOpaque: boolean;
}

/** An empty one would be the application's own working directory. */
function checkDirectory(value: unknown): string {
  const path = checkText('directory', value, undefined);
  if (path === undefined || path === '') throw invalidOption('directory', 'a path of a directory', value);
  return path;
}

function checkArchive(value: unknown): LayerArchive {
  if (typeof value === 'object' && value !== null && Symbol.asyncIterator in value) return value as LayerArchive;
  throw invalidOption('archive', 'the archive of a layer, or a stream of its bytes', value);
}

/**
 * For storage drivers of one's own: unpacks a layer into a new directory as the library's drivers do, in native code, off the main
 * thread and inside of the directory only. Whiteouts and opaque directories are as overlayfs has them in a lower layer. A failure
 * leaves the directory as far as it came, for {@link removeLayer}.
 *
 * @param archive - as {@link Snapshotter.add} gets it, or a stream of one's own.
 * @throws CloisterError `ERR_LAYER_INVALID` for an archive that is corrupt, truncated or leads outside; `ERR_KERNEL`, such as
 * `EEXIST` for a directory that is there and `ENOSPC`; `ERR_INVALID_OPTION`; `ERR_ABORTED`; what `archive` throws.
 *
 * @example
 * ```ts
 * const { bytes } = await unpackLayer(createReadStream('layer.tar'), '/srv/layers/1');
 * ```
 */
export async function unpackLayer(
  archive: LayerArchive,
  directory: string,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<UnpackedLayer> {
  const path = checkDirectory(directory);
  const layer = checkArchive(archive);
  const signal = checkSignal('signal', checkObject('', options, ['signal'])['signal']);
  await makeRoot(path).catch((error: unknown) => {
    throw fileError(error, path);
  });
  const { bytes, isOpaque } = await unpackInto(layer, path, signal === undefined ? {} : { signal });
  return { bytes, isOpaque };
}

/**
 * For storage drivers of one's own: what {@link Snapshotter.prepare} gives, a view of a directory that is attached nowhere,
 * open_tree(2).
 *
 * @returns a descriptor; whoever gets the snapshot closes it.
 * @throws CloisterError `ERR_INVALID_OPTION`, `ERR_KERNEL`.
 *
 * @example
 * ```ts
 * const snapshot = { kind: 'layers', trees: [openLayer('/srv/layers/1')] } as const;
 * ```
 */
export function openLayer(directory: string): number {
  return cloneMount(checkDirectory(directory), false);
}

/**
 * For storage drivers of one's own: removes a directory and all in it, on a thread of its own. What a stranger's archive or a
 * sandbox has put there may be deeper than any path, and leads nowhere. Nothing there is no error.
 *
 * @throws CloisterError `ERR_INVALID_OPTION`, `ERR_KERNEL`.
 *
 * @example
 * ```ts
 * await removeLayer('/srv/layers/1');
 * ```
 */
export async function removeLayer(directory: string): Promise<void> {
  const path = resolve(checkDirectory(directory));
  const parent = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY).catch((error: unknown) => {
    throw fileError(error, dirname(path));
  });
  try {
    await removeTree(parent.fd, basename(path));
  } finally {
    await parent.close();
  }
}
