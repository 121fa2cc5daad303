import type PQueue from 'p-queue';
import type { CgroupManager } from '../cgroup/manager.js';
import type { Kernel } from '../native/kernel.js';
import type { StorageChoice } from '../rootfs/choose.js';
import type { RootfsService } from '../rootfs/rootfs.js';
import type { IdRanges } from '../security/id-ranges.js';
import type { RlimitName, RlimitValue } from '../security/rlimits.js';
import type { ImageRequest, OpenImage } from './image.js';
import type { Turns } from '../shared/turns.js';
import type { SandboxSpec } from './spec.js';

/** Everything that starting a sandbox needs, wired by `api/open-services.ts`. */
export interface Services {
  readonly kernel: Kernel;
  readonly cgroups: CgroupManager;
  readonly rootfs: RootfsService;
  /** The driver that keeps the layers of images, chosen at the first call. */
  readonly storage: () => Promise<StorageChoice>;
  readonly ids: IdRanges;
  /** Starts that run at the same time: more of them would only wait for each other in the kernel. */
  readonly starts: PQueue;
  /** Finds an image, and fetches it where the request allows. @throws CloisterError `ERR_IMAGE_NOT_FOUND` and what pulling throws. */
  openImage(request: ImageRequest, signal: AbortSignal | undefined): Promise<OpenImage>;
  /** What keeps Node's thread busy for long passes here, so that many starts at once do not stop the application. */
  readonly turns: Turns;
  readonly maskedPaths: readonly string[];
  readonly rlimits: Readonly<Partial<Record<RlimitName, RlimitValue>>>;
  seccomp(spec: SandboxSpec): { readonly program: Uint8Array; readonly flags: number };
}
