import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CloisterError } from '../errors.js';
import { newFilesystem } from '../native/mounts.js';
import { isFull } from '../shared/file-error.js';
import type { Unusable } from '../shared/snapshotter.js';
import { closeDescriptor } from '../native/descriptor.js';

/** As the launcher mounts them, addon/launcher/sources.cc: a kernel that refuses these has no overlay for us. */
const OWN_LAYERS_ONLY = { redirect_dir: 'nofollow', metacopy: 'off', index: 'off', nfs_export: 'off' };

/** Whether directories there can be the lower layers of an overlay; `directory` is empty and gets some. */
export async function probeOverlay(directory: string): Promise<Unusable | undefined> {
  const path = (name: string): string => join(directory, name);
  for (const name of ['lower', 'upper', 'work']) await mkdir(path(name), { recursive: true });
  const options = { lowerdir: path('lower'), upperdir: path('upper'), workdir: path('work'), ...OWN_LAYERS_ONLY };
  return attempt(
    () => closeDescriptor(newFilesystem('overlay', options)),
    `put the directory on a file system that overlayfs accepts, such as ext4 or xfs, and load the overlay module`,
  );
}

/** The kernel's own words for why something does not work here. @throws what says nothing of that: the disk is full. */
export function attempt(action: () => void, remedy: string): Unusable | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (!CloisterError.is(error) || isFull(error)) throw error;
    return { reason: error.message, remedy };
  }
}
