import { closeSync } from 'node:fs';
import type { FirstCommand, KernelSandbox } from '../native/kernel.js';
import type { StatusRecord } from '../native/status.js';
import { planLaunch } from './plan-launch.js';
import type { SandboxResources } from './resources.js';
import type { Services } from './services.js';
import type { SandboxSpec } from './spec.js';

const BYTES_PER_INODE = 4096;
const MIN_INODES = 1024;

/** What is launched and who hears of it. */
export interface LaunchRequest {
  readonly spec: SandboxSpec;
  readonly resources: SandboxResources;
  readonly first: FirstCommand | undefined;
  readonly onRecord: (record: StatusRecord) => void;
}

/** Opens what the plan refers to, sends both, and closes it again: the launcher has its own copies then. */
export async function launchSandbox(
  services: Services,
  { spec, resources, first, onRecord }: LaunchRequest,
): Promise<KernelSandbox> {
  const inodes = Math.max(MIN_INODES, Math.floor(spec.diskBytes / BYTES_PER_INODE));
  using rootfs = services.rootfs.prepare(spec.image, { sizeBytes: spec.diskBytes, inodes });
  const binds: (number | undefined)[] = [];
  try {
    for (const mount of spec.mounts) {
      binds.push(mount.kind === 'bind' ? services.kernel.cloneMount(mount.source, true) : undefined);
    }
    const { maskedPaths } = services;
    const parts = {
      rootfs,
      ...resources.maps,
      nextRoot: services.ids.nextBase ?? 0,
      binds,
      seccomp: services.seccomp(spec),
      maskedPaths,
      cgroup: resources.initEntry,
    };
    return await services.kernel.launch(planLaunch(spec, parts), first, onRecord);
  } finally {
    for (const fd of binds) if (fd !== undefined) closeSync(fd);
  }
}
