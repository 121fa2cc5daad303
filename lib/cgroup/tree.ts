import { posix } from 'node:path';
import { type CgroupFiles, errnoOf } from './cgroup-files.js';
import type { ControllerName, MountedHierarchy } from './hierarchy.js';

/** The directory below a hierarchy's base that holds one directory per owner. */
const LIBRARY = 'cloister';

/** What every group's accounting needs. v2 gives a group only the controllers that all groups above it pass on. */
const EAGER: readonly ControllerName[] = ['memory', 'pids', 'io'];

/** How an owner's directory comes to be. */
export interface OwnerDirectoryMaker {
  readonly files: CgroupFiles;
  /** Called with its path before it is made. */
  readonly adopt?: ((ownerDirectory: string) => void) | undefined;
}

/** A hierarchy with this owner's directory in it, ready for groups: `<mount>/<base>/cloister/<owner>/<group>`. */
export class CgroupTree {
  readonly version: 1 | 2;
  readonly basePath: string;
  /** Holds the directories of all owners. */
  readonly libraryPath: string;
  readonly ownerPath: string;
  readonly #files: CgroupFiles;
  #controllers: ReadonlySet<ControllerName> = new Set();
  /** v2: why a controller could not be passed on, or undefined when it was. */
  readonly #enabled = new Map<ControllerName, string | undefined>();
  readonly #present = new Map<string, boolean>();

  private constructor(hierarchy: MountedHierarchy, base: string, owner: string, files: CgroupFiles) {
    this.version = hierarchy.version;
    this.basePath = posix.join(hierarchy.mountPoint, base);
    this.libraryPath = posix.join(this.basePath, LIBRARY);
    this.ownerPath = posix.join(this.libraryPath, owner);
    this.#files = files;
  }

  /** Makes the owner's directory. @throws `ERR_PERMISSION` or `ERR_KERNEL` when this base cannot be used; nothing is left then. */
  static open(
    hierarchy: MountedHierarchy,
    base: string,
    owner: string,
    { files, adopt }: OwnerDirectoryMaker,
  ): CgroupTree {
    const tree = new CgroupTree(hierarchy, base, owner, files);
    adopt?.(tree.ownerPath);
    try {
      tree.#makeDirectories(hierarchy);
      tree.#controllers = new Set(hierarchy.version === 1 ? hierarchy.controllers : tree.#listControllers());
      if (hierarchy.version === 2) for (const name of EAGER) if (tree.has(name)) tree.enable(name);
      return tree;
    } catch (error) {
      tree.close();
      throw error;
    }
  }

  has(controller: ControllerName): boolean {
    return this.#controllers.has(controller);
  }

  /** Makes a controller reach the groups below the owner's directory; returns the reason why it cannot. */
  enable(controller: ControllerName): string | undefined {
    if (this.version === 1 || controller === 'cpuacct') return undefined;
    if (!this.#enabled.has(controller)) this.#enabled.set(controller, this.#passOn(controller));
    return this.#enabled.get(controller);
  }

  /** Reasons of the controllers that accounting wanted and did not get. */
  refusals(): readonly string[] {
    return [...this.#enabled.values()].filter((reason) => reason !== undefined);
  }

  /** Whether a group directly below the owner's directory can pass this controller on to its children. */
  isEnabled(controller: ControllerName): boolean {
    return this.#enabled.has(controller) && this.#enabled.get(controller) === undefined;
  }

  /** Whether groups here have this control file. */
  hasFile(file: string): boolean {
    const known = this.#present.get(file);
    if (known !== undefined) return known;
    const isPresent = this.#tryRead(posix.join(this.ownerPath, file)) !== undefined;
    this.#present.set(file, isPresent);
    return isPresent;
  }

  /** Removes the owner's directory and, after the last owner, the library's. Leaves what is in use. */
  close(): void {
    for (const path of [this.ownerPath, this.libraryPath]) {
      try {
        this.#files.removeDirectory(path);
      } catch {
        return;
      }
    }
  }

  #listControllers(): ControllerName[] {
    return this.#files.read(posix.join(this.basePath, 'cgroup.controllers')).trim().split(' ') as ControllerName[];
  }

  /** Undefined for a missing file, an empty text for one that cannot be read. */
  #tryRead(path: string): string | undefined {
    try {
      return this.#files.read(path);
    } catch (error) {
      return errnoOf(error) === 'ENOENT' ? undefined : '';
    }
  }

  #makeDirectories(hierarchy: MountedHierarchy): void {
    // The last of other owners may remove the library's directory at any moment.
    for (let attempt = 0; ; attempt++) {
      try {
        this.#ensureDirectory(this.libraryPath);
        if (hierarchy.version === 1) this.#prepareV1(hierarchy.controllers);
        return this.#ensureDirectory(this.ownerPath);
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT' || attempt === 3) throw error;
      }
    }
  }

  #ensureDirectory(path: string): void {
    try {
      this.#files.makeDirectory(path);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
  }

  /** What groups below inherit from the library's directory, so that making one costs no extra write. */
  #prepareV1(controllers: readonly ControllerName[]): void {
    const inLibrary = (file: string): string => posix.join(this.libraryPath, file);
    if (controllers.includes('cpuset')) {
      // A fresh cpuset is empty and takes no process; with clone_children it starts as a copy of the one above (cpusets.html).
      for (const file of ['cpuset.cpus', 'cpuset.mems']) {
        if (this.#files.read(inLibrary(file)).trim() !== '') continue;
        this.#files.write(inLibrary(file), this.#files.read(posix.join(this.basePath, file)).trim());
      }
      this.#files.write(inLibrary('cgroup.clone_children'), '1');
    }
    // Before Linux 5.11 a limit did not count the groups below unless told to (cgroup-v1/memory.html, "Hierarchy support").
    if (controllers.includes('memory') && this.#tryRead(inLibrary('memory.use_hierarchy'))?.trim() === '0') {
      this.#files.write(inLibrary('memory.use_hierarchy'), '1');
    }
  }

  #passOn(controller: ControllerName): string | undefined {
    for (const path of [this.basePath, this.libraryPath, this.ownerPath]) {
      const file = posix.join(path, 'cgroup.subtree_control');
      try {
        if (!this.#files.read(file).trim().split(' ').includes(controller)) this.#files.write(file, `+${controller}`);
      } catch (error) {
        const why =
          errnoOf(error) === 'EBUSY' ? `${path} holds processes, and v2 wants those in a group below` : String(error);
        return `the ${controller} controller cannot be passed on to groups: ${why}`;
      }
    }
    return undefined;
  }
}
