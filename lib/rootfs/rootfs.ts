import { closeSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { invalidOption } from '../errors.js';
import { MOUNT_ATTR, type Source, type Step } from '../native/plan.js';
import { prepareHostRoot, type HostRoot } from './host-root.js';

/** Where a sandbox's files come from. */
export type RootImage = { readonly kind: 'host' } | { readonly kind: 'directory'; readonly path: string };

export interface WritableLayer {
  readonly sizeBytes: number;
  readonly inodes: number;
}

/** The mounts that make up a root file system; the descriptors in it are closed by disposing it. */
export interface Rootfs extends Disposable {
  readonly sources: readonly Source[];
  /** Index of the source that becomes `/`. */
  readonly root: number;
  readonly steps: readonly Step[];
}

type CloneMount = (path: string, recursive: boolean) => number;

/** Files and directories of one sandbox per 4 KiB of its quota, as tmpfs(5) counts by default. */
export const BYTES_PER_INODE = 4096;

/**
 * Root file systems as overlays: the image below, read-only; a tmpfs of limited size above it, private to the sandbox
 * and gone with it.
 */
export class RootfsService {
  readonly #directory: string;
  readonly #cloneMount: CloneMount;
  #host: HostRoot | undefined;

  constructor(stateDirectory: string, cloneMount: CloneMount) {
    this.#directory = join(stateDirectory, 'host-root');
    this.#cloneMount = cloneMount;
  }

  /** @throws CloisterError `ERR_INVALID_OPTION` for a directory that is none; `ERR_KERNEL`. */
  prepare(image: RootImage, layer: WritableLayer): Rootfs {
    if (image.kind === 'directory') {
      const about = statSync(image.path, { throwIfNoEntry: false });
      if (about?.isDirectory() !== true) throw invalidOption('image.directory', 'an existing directory', image.path);
      return this.#assemble([{ from: image.path, to: '' }], layer, true);
    }
    this.#host ??= prepareHostRoot(realDirectory(this.#directory));
    const trees = this.#host.trees.map((tree) => ({ from: tree, to: tree.slice(1) }));
    return this.#assemble([{ from: this.#host.skeleton, to: '' }, ...trees], layer, false);
  }

  #assemble(layers: readonly { from: string; to: string }[], layer: WritableLayer, mustMapIds: boolean): Rootfs {
    const fds: number[] = [];
    const close = (): void => fds.splice(0).forEach((fd) => closeSync(fd));
    const sources: Source[] = [{ kind: 'tmpfs', ...layer, mode: 0o755, attributes: 0n }];
    const steps: Step[] = [];
    try {
      for (const { from, to } of layers) {
        const fd = this.#cloneMount(from, false);
        fds.push(fd);
        const lower =
          sources.push({
            kind: 'host',
            fd,
            idmap: mustMapIds ? 'yes' : 'if-possible',
            recursive: false,
            attributes: 0n,
          }) - 1;
        const upperName = `layer${lower}`;
        const overlay =
          sources.push({ kind: 'overlay', lowers: [lower], upper: 0, upperName, attributes: MOUNT_ATTR.nodev }) - 1;
        if (to !== '') steps.push({ kind: 'attach', path: to, source: overlay, strict: true });
      }
    } catch (error) {
      close();
      throw error;
    }
    return { sources, root: 2, steps, [Symbol.dispose]: close };
  }
}

/** What is mounted passes no link; where the host keeps its files, it may have one. */
function realDirectory(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o711 });
  return realpathSync(path);
}
