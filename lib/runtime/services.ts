import type PQueue from 'p-queue';
import type { CgroupManager } from '../cgroup/manager.js';
import type { Kernel } from '../native/kernel.js';
import type { RootfsService } from '../rootfs/rootfs.js';
import type { IdRanges } from '../security/id-ranges.js';
import type { RlimitName, RlimitValue } from '../security/rlimits.js';
import type { SandboxSpec } from './spec.js';

/** Everything that starting a sandbox needs, wired by `api/host.ts`. */
export interface Services {
  readonly kernel: Kernel;
  readonly cgroups: CgroupManager;
  readonly rootfs: RootfsService;
  readonly ids: IdRanges;
  /** Starts that run at the same time: more of them would only wait for each other in the kernel. */
  readonly starts: PQueue;
  readonly maskedPaths: readonly string[];
  readonly rlimits: Readonly<Partial<Record<RlimitName, RlimitValue>>>;
  seccomp(spec: SandboxSpec): { readonly program: Uint8Array; readonly flags: number };
}
