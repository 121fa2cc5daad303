import type { KernelSandbox } from '../native/kernel.js';
import type { IdMapEntry } from '../native/plan.js';
import type { FileState } from '../native/pack.js';
import { readBaseline } from '../rootfs/baseline.js';
import { noChanges } from '../rootfs/rootfs.js';
import type { OpenImage } from './image.js';
import { closeDescriptor } from '../native/descriptor.js';

/** Where the files that a sandbox added, changed or removed are found, as overlayfs keeps them. */
export interface SandboxChanges {
  /** Valid as long as the sandbox lives. */
  readonly path: string;
  readonly uidMap: readonly IdMapEntry[];
  readonly gidMap: readonly IdMapEntry[];
  /** What was there before any program ran: made for the sandbox's mounts. */
  readonly baseline: readonly FileState[];
}

/** What a sandbox has of the image that it is made of. */
export class ImageRoot {
  #image: OpenImage | undefined;
  #hold: Disposable | undefined;
  /** Below the writable layer, once it is launched; undefined where changes cannot be told. */
  changesPath: string | undefined;
  #writableFd = -1;
  #hasBaseline = false;
  #baseline: () => readonly FileState[] = () => [];

  get image(): OpenImage | undefined {
    return this.#image;
  }

  /** @param image - owned from now on. */
  hold(image: OpenImage): void {
    this.#image = this.#hold = image;
  }

  /** Init is set up and nothing runs yet: it has sent the writable layer, if the plan asked for it. */
  receive(init: KernelSandbox | undefined): void {
    if (this.changesPath === undefined || init === undefined) return;
    const path = this.changesPath;
    const receive = take(() => (this.#writableFd = init.takeWritable()));
    this.#baseline = () => {
      receive();
      return this.#writableFd < 0 ? [] : readBaseline(this.#pathOf(path));
    };
  }

  /** Before the first one runs: what is there is no change of theirs. A sandbox for one command does not come to this. */
  beforePrograms(): void {
    if (this.#hasBaseline) return;
    this.#hasBaseline = true;
    this.#baseline = take(this.#baseline);
  }

  /** @throws CloisterError `ERR_UNSUPPORTED` where changes cannot be told; what receiving them failed with. */
  changes(maps: Pick<SandboxChanges, 'uidMap' | 'gidMap'>): SandboxChanges {
    this.beforePrograms();
    const baseline = this.#baseline();
    if (this.#writableFd < 0 || this.changesPath === undefined) throw noChanges(this.image !== undefined);
    return { path: this.#pathOf(this.changesPath), ...maps, baseline };
  }

  #pathOf(path: string): string {
    return `/proc/self/fd/${this.#writableFd}/${path}`;
  }

  /** Nothing runs in it any more, and nobody was told yet: whoever learns of that may remove the image at once. */
  releaseImage(): void {
    this.#hold?.[Symbol.dispose]();
    this.#hold = undefined;
  }

  close(): void {
    this.releaseImage();
    if (this.#writableFd >= 0) closeDescriptor(this.#writableFd);
    this.#writableFd = -1;
  }
}

/** Done now; what it fails with, an application out of descriptors, is thrown when somebody asks. */
function take<T>(read: () => T): () => T {
  try {
    const value = read();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}
