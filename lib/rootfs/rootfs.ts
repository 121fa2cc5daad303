import { realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CloisterError, invalidOption } from '../errors.js';
import { MOUNT_ATTR, type Source, type Step } from '../native/plan.js';
import type { Digest } from '../shared/digest.js';
import { makeDirectory } from '../shared/make-directory.js';
import { checkSnapshot } from './check-snapshot.js';
import { hostResolver, type HostResolver } from './host-resolver.js';
import { prepareHostRoot, type HostRoot } from './host-root.js';
import { OwnedDirectory } from './owned-directory.js';
import type { Snapshot, Snapshotter } from '../shared/snapshotter.js';
import { closeDescriptor } from '../native/descriptor.js';

/** Where a sandbox's files come from. */
export type RootImage =
  /** `onHostNetwork`: with the host's own way to find names. */
  | { readonly kind: 'host'; readonly onHostNetwork: boolean }
  | { readonly kind: 'directory'; readonly path: string }
  /** Bottom first. */
  | { readonly kind: 'layers'; readonly layers: readonly Digest[] };

/** Where its changes go. */
export interface WritableLayer {
  readonly sizeBytes: number;
  readonly inodes: number;
  /** Asked for by name: a root that cannot keep to it is refused. */
  readonly isSizeAsked: boolean;
  /** `memory`: a tmpfs of that size. `disk`: a directory below the state directory, of any size. */
  readonly medium: 'memory' | 'disk';
}

/** The mounts that make up a root file system; the descriptors in it are closed by disposing it. */
export interface Rootfs extends Disposable {
  readonly sources: readonly Source[];
  /** Index of the source that becomes `/`. */
  readonly root: number;
  readonly steps: readonly Step[];
  /** Where the changes to `/` are found, as overlayfs keeps them. */
  readonly changes: { readonly source: number; readonly path: string } | undefined;
  /** Once the sandbox has ended: removes what was made for it alone. */
  remove(): Promise<void>;
}

export interface RootfsOptions {
  /** Absolute; for what is kept between starts. */
  readonly directory: string;
  cloneMount(path: string, recursive: boolean): number;
  /** Opened at the first image. */
  snapshotter(): Promise<Snapshotter>;
}

/** One overlay: descriptors of its layers, top first, and where it goes. */
interface Part {
  readonly layers: readonly number[];
  readonly to: string;
  readonly mustMapIds: boolean;
}

/** Of the 500 that overlayfs takes, so many descriptors as one message carries, with room for others; Docker makes no more than 127. */
const MAX_STACKED = 128;

function tooManyLayers(count: number): CloisterError {
  return new CloisterError('ERR_UNSUPPORTED', `the image has ${count} layers, at most ${MAX_STACKED} can be stacked`, {
    subject: 'layers',
    hint: "make an image of fewer layers, or use the storage driver 'copy'",
  });
}

/**
 * An image may have the same layer several times, such as that of steps which changed nothing. Whatever the lower one has or
 * hides, the upper one has and hides as well; overlayfs takes no directory twice.
 */
function eachOnce(layers: readonly Digest[]): readonly Digest[] {
  return layers.filter((layer, index) => layers.lastIndexOf(layer) === index);
}

/** Root file systems: layers of an image below, read-only; above them what is private to the sandbox and gone with it. */
export class RootfsService {
  readonly #options: RootfsOptions;
  readonly #onDisk: OwnedDirectory;
  /** By what they were made with. */
  readonly #hosts = new Map<string, HostRoot>();

  constructor(options: RootfsOptions) {
    this.#options = options;
    this.#onDisk = new OwnedDirectory(join(options.directory, 'writable'));
  }

  /**
   * @param sandbox - names what is made on disk for it alone.
   * @throws CloisterError `ERR_INVALID_OPTION` for a directory that is none; `ERR_NOT_FOUND` for a layer; `ERR_KERNEL`.
   */
  async prepare(image: RootImage, layer: WritableLayer, sandbox: string): Promise<Rootfs> {
    if (image.kind === 'layers') {
      const snapshotter = await this.#options.snapshotter();
      const snapshot = checkSnapshot(await snapshotter.prepare(eachOnce(image.layers), sandbox));
      return this.#fromSnapshot(snapshot, layer, sandbox);
    }
    const fds: number[] = [];
    try {
      return this.#stack(this.#open(image, fds), fds, layer, sandbox);
    } catch (error) {
      closeAll(fds);
      throw error;
    }
  }

  #open(image: Exclude<RootImage, { kind: 'layers' }>, fds: number[]): Part[] {
    const open = (path: string): readonly number[] => {
      const fd = this.#options.cloneMount(path, false);
      fds.push(fd);
      return [fd];
    };
    if (image.kind === 'directory') {
      const about = statSync(image.path, { throwIfNoEntry: false });
      if (about?.isDirectory() !== true) throw invalidOption('image.directory', 'an existing directory', image.path);
      return [{ layers: open(image.path), to: '', mustMapIds: true }];
    }
    const { skeleton, trees } = this.#hostRoot(image.onHostNetwork ? hostResolver() : {});
    return [
      { layers: open(skeleton), to: '', mustMapIds: false },
      ...trees.map((tree) => ({ layers: open(tree), to: tree.slice(1), mustMapIds: false })),
    ];
  }

  #hostRoot(resolver: HostResolver): HostRoot {
    const key = JSON.stringify(resolver);
    const known = this.#hosts.get(key);
    if (known !== undefined) return known;
    const host = prepareHostRoot(realDirectory(join(this.#options.directory, 'host-root')), resolver);
    this.#hosts.set(key, host);
    return host;
  }

  async #fromSnapshot(snapshot: Snapshot, layer: WritableLayer, sandbox: string): Promise<Rootfs> {
    const fds = snapshot.kind === 'tree' ? [snapshot.tree] : [...snapshot.trees];
    const removeSnapshot = snapshot.remove?.bind(snapshot);
    try {
      if (fds.length > MAX_STACKED) throw tooManyLayers(fds.length);
      if (snapshot.kind === 'tree') return ownTree(snapshot.tree, fds, layer, removeSnapshot);
      return this.#stack([{ layers: fds, to: '', mustMapIds: true }], [...fds], layer, sandbox, removeSnapshot);
    } catch (error) {
      closeAll(fds);
      await removeSnapshot?.();
      throw error;
    }
  }

  /** Each part below a directory of the one writable layer. Takes over the descriptors when it returns. */
  #stack(
    parts: readonly Part[],
    fds: number[],
    layer: WritableLayer,
    sandbox: string,
    removeSnapshot?: () => Promise<void>,
  ): Rootfs {
    const directory = layer.medium === 'disk' ? this.#onDisk.make(sandbox) : undefined;
    const sources: Source[] = [this.#writable(layer, directory, fds)];
    const steps: Step[] = [];
    const roots = parts.map((part) => {
      const root = sources.length + part.layers.length;
      for (const fd of part.layers) sources.push(lower(fd, part.mustMapIds));
      const lowers = part.layers.map((_, index) => root - part.layers.length + index);
      sources.push({
        kind: 'overlay',
        lowers,
        upper: 0,
        upperName: `layer${root}`,
        unsynced: directory !== undefined,
        attributes: MOUNT_ATTR.nodev,
      });
      if (part.to !== '') steps.push({ kind: 'attach', path: part.to, source: root, strict: true });
      return root;
    });
    const root = roots[0] ?? 0;
    return {
      sources,
      root,
      steps,
      changes: parts.length === 1 ? { source: 0, path: `layer${root}/upper` } : undefined,
      [Symbol.dispose]: () => closeAll(fds),
      remove: async () => {
        if (directory !== undefined) await this.#onDisk.remove(directory);
        await removeSnapshot?.();
      },
    };
  }

  #writable({ sizeBytes, inodes }: WritableLayer, directory: string | undefined, fds: number[]): Source {
    if (directory === undefined) return { kind: 'tmpfs', sizeBytes, inodes, mode: 0o755, attributes: 0n };
    const fd = this.#options.cloneMount(directory, false);
    fds.push(fd);
    return { kind: 'host', fd, idmap: 'no', recursive: false, attributes: 0n };
  }
}

/** What is mounted passes no link; where the host keeps its files, it may have one. */
function realDirectory(path: string): string {
  makeDirectory(path, 0o711);
  return realpathSync(path);
}

function lower(fd: number, mustMapIds: boolean): Source {
  return { kind: 'host', fd, idmap: mustMapIds ? 'yes' : 'if-possible', recursive: false, attributes: 0n };
}

/** A tree that the driver made for this sandbox alone. */
function ownTree(fd: number, fds: number[], layer: WritableLayer, remove: (() => Promise<void>) | undefined): Rootfs {
  if (layer.isSizeAsked) {
    throw new CloisterError(
      'ERR_LIMIT_UNSUPPORTED',
      'limit disk cannot be enforced: the storage driver gives a tree of its own',
      {
        subject: 'limits.disk',
        hint: "use the 'overlay' or the 'erofs' driver",
      },
    );
  }
  return {
    sources: [{ kind: 'host', fd, idmap: 'yes', recursive: false, attributes: MOUNT_ATTR.nodev }],
    root: 0,
    steps: [],
    changes: undefined,
    [Symbol.dispose]: () => closeAll(fds),
    remove: remove ?? (async () => undefined),
  };
}

function closeAll(fds: number[]): void {
  for (const fd of fds.splice(0)) closeDescriptor(fd);
}

/** Why what a sandbox changed cannot be told. */
export function noChanges(isFromImage: boolean): CloisterError {
  const why = isFromImage
    ? 'its storage driver gives it a tree of its own, which keeps no list of changes'
    : 'it was not made from an image, so there is none below to build on';
  return new CloisterError('ERR_UNSUPPORTED', `the changes of this sandbox cannot be told: ${why}`, {
    hint: "make the sandbox from an image, with the 'overlay' or the 'erofs' driver",
  });
}
