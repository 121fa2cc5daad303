import { mkdir, mkdtemp, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { unpackArchive } from '../../lib/native/layers.js';
import { parseDigest, splitDigest, type Digest } from '../../lib/shared/digest.js';
import type { Snapshotter } from '../../lib/shared/snapshotter.js';

/** One directory for each layer, nothing more: for tests of what brings layers to a storage driver. */
export function directorySnapshotter(root: string): Snapshotter & { path(layer: Digest): string; added: Digest[] } {
  const layers = join(root, 'layers');
  const path = (layer: Digest): string => join(layers, splitDigest(layer)[1]);
  const has = async (layer: Digest): Promise<boolean> => (await stat(path(layer)).catch(() => undefined)) !== undefined;
  const added: Digest[] = [];
  return {
    name: 'directory',
    path,
    added,
    has,
    probe: async () => undefined,
    add: async (layer, archive, options) => {
      await mkdir(layers, { recursive: true });
      const temporary = await mkdtemp(join(root, 'unpack-'));
      await using directory = await open(temporary, 'r');
      try {
        await unpackArchive(archive, directory.fd, options);
        if (await has(layer)) return;
        await rename(temporary, path(layer));
        added.push(layer);
      } finally {
        await rm(temporary, { recursive: true, force: true });
      }
    },
    prepare: () => Promise.reject(new Error('no sandbox runs in these tests')),
    list: async () => {
      const names = await readdir(layers).catch(() => []);
      return names.flatMap((hex) => {
        const layer = parseDigest(`sha256:${hex}`);
        return layer === undefined ? [] : [{ layer, bytes: 0 }];
      });
    },
    remove: async (layer) => {
      const trash = await mkdtemp(join(root, 'unpack-'));
      await rename(path(layer), join(trash, 'layer')).catch(() => undefined);
      await rm(trash, { recursive: true, force: true });
    },
  };
}
