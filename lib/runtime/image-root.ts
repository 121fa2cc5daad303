import type { KernelSandbox } from '../native/kernel.js';
import type { IdMapEntry } from '../native/plan.js';
import { noChanges } from '../rootfs/rootfs.js';
import type { OpenImage } from './image.js';
import { closeDescriptor } from '../native/descriptor.js';

/** Where the files that a sandbox added, changed or removed are found, as overlayfs keeps them. */
export interface SandboxChanges {
  /** Valid as long as the sandbox lives. */
  readonly path: string;
  readonly uidMap: readonly IdMapEntry[];
  readonly gidMap: readonly IdMapEntry[];
}

/** What a sandbox has of the image that it is made of. */
export class ImageRoot {
  image: OpenImage | undefined;
  /** Below the writable layer, once it is launched; undefined where changes cannot be told. */
  changesPath: string | undefined;
  #writableFd = -1;

  /** Init is set up: it has sent the writable layer, if the plan asked for it. */
  receive(init: KernelSandbox | undefined): void {
    if (this.changesPath !== undefined && init !== undefined) this.#writableFd = init.takeWritable();
  }

  /** @throws CloisterError `ERR_UNSUPPORTED` where changes cannot be told. */
  changes(maps: Pick<SandboxChanges, 'uidMap' | 'gidMap'>): SandboxChanges {
    if (this.#writableFd < 0 || this.changesPath === undefined) throw noChanges(this.image !== undefined);
    return { path: `/proc/self/fd/${this.#writableFd}/${this.changesPath}`, ...maps };
  }

  close(): void {
    if (this.#writableFd >= 0) closeDescriptor(this.#writableFd);
    this.#writableFd = -1;
  }
}
