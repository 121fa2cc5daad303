import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import PQueue from 'p-queue';
import { DisabledCgroupManager } from '../cgroup/disabled.js';
import type { CgroupManager } from '../cgroup/manager.js';
import { openCgroupManager } from '../cgroup/open.js';
import { CloisterError } from '../errors.js';
import { LinuxKernel } from '../native/linux-kernel.js';
import { RootfsService } from '../rootfs/rootfs.js';
import { maskedPathsOfHost } from '../runtime/plan-launch.js';
import type { Services } from '../runtime/services.js';
import type { SandboxSpec } from '../runtime/spec.js';
import { IdRanges } from '../security/id-ranges.js';
import { defaultRlimits } from '../security/rlimits.js';
import { checkLetsStart, seccompProgram } from '../security/seccomp/cache.js';
import { Turns } from '../shared/turns.js';
import type { HostSpec } from './host-options.js';

const NO_FILTER = { program: new Uint8Array(0), flags: 0 };

/** Parts of a host that need nothing of what starting sandboxes needs. */
export type HostParts = Pick<Services, 'storage' | 'openImage'>;

/** Everything that starting a sandbox needs. @throws CloisterError when this machine cannot run sandboxes; nothing is left then. */
export function openServices(spec: HostSpec, parts: HostParts): Services {
  const kernel = new LinuxKernel();
  try {
    const cgroups = openCgroups(spec, kernel);
    kernel.adoptCgroups(cgroups.ownerDirectories());
    cgroups.sweep().catch(() => undefined);
    return { ...parts, ...plainServices(spec, kernel, parts), kernel, cgroups };
  } catch (error) {
    void kernel.close();
    throw error;
  }
}

function plainServices(
  { root, stateDir, concurrency }: HostSpec,
  kernel: LinuxKernel,
  { storage }: HostParts,
): Omit<Services, 'kernel' | 'cgroups' | keyof HostParts> {
  const version = kernelVersion(release());
  return {
    rootfs: new RootfsService({
      directory: root,
      cloneMount: (path, recursive) => kernel.cloneMount(path, recursive),
      snapshotter: async () => (await storage()).snapshotter,
    }),
    ids: new IdRanges(join(stateDir, 'ids'), (fd) => kernel.tryLock(fd)),
    starts: new PQueue({ concurrency }),
    turns: new Turns(),
    maskedPaths: maskedPathsOfHost(),
    rlimits: defaultRlimits({
      fileMax: readFileSync('/proc/sys/fs/file-max', 'latin1'),
      ownLimits: readFileSync('/proc/self/limits', 'latin1'),
    }),
    seccomp: (sandbox) => planFilter(sandbox, version),
  };
}

/** Gives back what {@link openServices} took, when no sandbox lives any more. */
export async function closeServices({ kernel, cgroups, ids }: Services): Promise<void> {
  await kernel.close();
  cgroups.dispose();
  ids.dispose();
}

function openCgroups({ root, allowNoCgroups }: HostSpec, kernel: LinuxKernel): CgroupManager {
  try {
    return openCgroupManager({
      stateDirectory: root,
      adopt: (ownerDirectory) => kernel.adoptCgroups([ownerDirectory]),
      attachDeviceFilter: (fd, program) => kernel.attachDeviceFilter(fd, program),
    });
  } catch (error) {
    if (allowNoCgroups && CloisterError.is(error)) return new DisabledCgroupManager(error.message);
    throw error;
  }
}

function kernelVersion(text: string): [number, number] {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(text) ?? [];
  return [Number(major ?? 0), Number(minor ?? 0)];
}

function planFilter(
  spec: SandboxSpec,
  version: [number, number],
): { readonly program: Uint8Array; readonly flags: number } {
  if (spec.seccomp === 'unconfined') return NO_FILTER;
  const architecture = process.arch === 'arm64' ? 'arm64' : 'x64';
  const program = seccompProgram(spec.seccomp, {
    capabilities: spec.capabilities,
    kernelVersion: version,
    architecture,
  });
  checkLetsStart(program);
  return program;
}
