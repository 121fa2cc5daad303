import type { FirstCommand, KernelSandbox } from '../native/kernel.js';
import type { StatusRecord } from '../native/status.js';
import type { RootImage } from '../rootfs/rootfs.js';
import type { OpenImage } from './image.js';
import { planLaunch } from './plan-launch.js';
import type { SandboxResources } from './resources.js';
import type { Services } from './services.js';
import type { SandboxSpec } from './spec.js';
import { closeDescriptor } from '../native/descriptor.js';

const BYTES_PER_INODE = 4096;
const MIN_INODES = 1024;

/** What is launched and who hears of it. */
export interface LaunchRequest {
  readonly id: string;
  readonly spec: SandboxSpec;
  readonly resources: SandboxResources;
  readonly image: OpenImage | undefined;
  readonly first: FirstCommand | undefined;
  readonly onRecord: (record: StatusRecord) => void;
}

export interface Launched {
  readonly init: KernelSandbox;
  /** Below the plan's writable source, which init's control socket hands over; undefined where there is none. */
  readonly changes: string | undefined;
}

function rootOf({ image, network }: SandboxSpec, open: OpenImage | undefined): RootImage {
  if (image.kind === 'image') return { kind: 'layers', layers: open?.layers ?? [] };
  return image.kind === 'host' ? { kind: 'host', onHostNetwork: network === 'host' } : image;
}

/**
 * Volumes, and where commands start: as runc and podman do it, the latter need not be in any layer. Where the caller names the
 * place, it is the caller's to make.
 */
function directoriesOf({ command }: SandboxSpec, image: OpenImage | undefined): readonly string[] {
  if (image === undefined) return [];
  const { volumes, cwd } = image.defaults;
  return command.cwd === undefined && !['', '/'].includes(cwd) ? [...volumes, cwd] : volumes;
}

/** Opens what the plan refers to, sends both, and closes it again: the launcher has its own copies then. */
export async function launchSandbox(services: Services, request: LaunchRequest): Promise<Launched> {
  const { spec, resources, image, first } = request;
  const inodes = Math.max(MIN_INODES, Math.floor(spec.writable.sizeBytes / BYTES_PER_INODE));
  using rootfs = await services.rootfs.prepare(rootOf(spec, image), { ...spec.writable, inodes }, request.id);
  resources.defer(() => rootfs.remove());
  const binds: (number | undefined)[] = [];
  try {
    for (const mount of spec.mounts) {
      binds.push(mount.kind === 'bind' ? services.kernel.cloneMount(mount.source, true) : undefined);
    }
    const wantsChanges = image !== undefined && first === undefined;
    const plan = planLaunch(spec, {
      rootfs,
      ...resources.maps,
      nextRoot: services.ids.nextBase ?? 0,
      wantsChanges,
      directories: directoriesOf(spec, image),
      binds,
      seccomp: services.seccomp(spec),
      maskedPaths: services.maskedPaths,
      cgroup: resources.initEntry,
    });
    const init = await services.kernel.launch(plan, first, request.onRecord);
    return { init, changes: wantsChanges ? rootfs.changes?.path : undefined };
  } finally {
    for (const fd of binds) if (fd !== undefined) closeDescriptor(fd);
  }
}
