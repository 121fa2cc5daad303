import { existsSync, readdirSync } from 'node:fs';
import type { CgroupEntry } from '../cgroup/manager.js';
import { CLONE_NEW, MOUNT_ATTR, type IdMapEntry, type LaunchPlan, type Source, type Step } from '../native/plan.js';
import {
  MASKED_FROM_HOST_ROOT,
  MASKED_PATHS,
  MASKED_PER_CPU,
  MAX_TERMINALS,
  READONLY_PATHS,
} from '../security/kernel-paths.js';
import type { MountSpec, SandboxSpec } from './spec.js';

const INERT = MOUNT_ATTR.nosuid | MOUNT_ATTR.nodev | MOUNT_ATTR.noexec;
const CPU_DIRECTORY = 'sys/devices/system/cpu';
const NS_PER_MS = 1_000_000n;

/** What the services made for this sandbox. */
export interface LaunchParts {
  readonly rootfs: {
    readonly sources: readonly Source[];
    readonly root: number;
    readonly steps: readonly Step[];
    readonly changes: { readonly source: number } | undefined;
  };
  /** Whether the application is given what the sandbox changes. */
  readonly wantsChanges: boolean;
  /** Those that the image wants to exist. */
  readonly directories: readonly string[];
  readonly uidMap: readonly IdMapEntry[];
  readonly gidMap: readonly IdMapEntry[];
  readonly nextRoot: number;
  /** Descriptors of the bind mounts, in the order of `spec.mounts`; `undefined` for the others. */
  readonly binds: readonly (number | undefined)[];
  readonly seccomp: { readonly program: Uint8Array; readonly flags: number };
  readonly maskedPaths: readonly string[];
  /** Where init goes. */
  readonly cgroup: CgroupEntry;
}

/** Masked paths of this machine: some exist once per processor. */
export function maskedPathsOfHost(): readonly string[] {
  const perCpu = existsSync(`/${CPU_DIRECTORY}`)
    ? readdirSync(`/${CPU_DIRECTORY}`)
        .filter((name) => /^cpu\d+$/.test(name) && existsSync(`/${CPU_DIRECTORY}/${name}/${MASKED_PER_CPU}`))
        .map((name) => `${CPU_DIRECTORY}/${name}/${MASKED_PER_CPU}`)
    : [];
  return [...MASKED_PATHS, ...perCpu];
}

/** Every namespace, but those that the caller gave up by name. */
export function planNamespaces(spec: Pick<SandboxSpec, 'ids' | 'network' | 'clocks'>): bigint {
  let flags = CLONE_NEW.pid | CLONE_NEW.mount | CLONE_NEW.uts | CLONE_NEW.ipc | CLONE_NEW.cgroup;
  if (spec.ids.kind !== 'host') flags |= CLONE_NEW.user;
  if (spec.network !== 'host') flags |= CLONE_NEW.network;
  // With offsets init makes the namespace itself: they must be written before anybody lives in it.
  if (spec.clocks === undefined) flags |= CLONE_NEW.time;
  return flags;
}

function planKernelFilesystems(spec: SandboxSpec, dev: number): Step[] {
  const ownSysfs = spec.network !== 'host';
  return [
    { kind: 'attach', path: 'dev', source: dev, strict: true },
    { kind: 'filesystem', path: 'proc', type: 'proc', attributes: INERT, strict: true },
    {
      kind: 'filesystem',
      path: 'sys',
      type: ownSysfs ? 'sysfs' : 'bind-sys',
      attributes: INERT | MOUNT_ATTR.readonly,
      strict: true,
    },
    {
      kind: 'filesystem',
      path: 'dev/pts',
      type: 'devpts',
      options: { ptmxmode: '0666', mode: '0620', gid: '5', max: String(MAX_TERMINALS) },
      attributes: MOUNT_ATTR.nosuid | MOUNT_ATTR.noexec,
      strict: true,
    },
    {
      kind: 'filesystem',
      path: 'dev/shm',
      type: 'tmpfs',
      options: { mode: '1777', size: String(spec.shmBytes) },
      attributes: INERT,
      strict: true,
    },
    { kind: 'filesystem', path: 'dev/mqueue', type: 'mqueue', attributes: INERT, strict: true },
  ];
}

/** In the caller's order, after everything else is in place, so that a mount may lie on another. */
function planUserMounts(mounts: readonly MountSpec[], binds: LaunchParts['binds'], sources: Source[]): Step[] {
  return mounts.map((mount, index): Step => {
    const path = mount.target.slice(1);
    if (mount.kind === 'tmpfs') {
      const options = { mode: mount.mode.toString(8), size: String(mount.sizeBytes) };
      return { kind: 'filesystem', path, type: 'tmpfs', options, attributes: MOUNT_ATTR.nosuid | MOUNT_ATTR.nodev };
    }
    const attributes = MOUNT_ATTR.nosuid | MOUNT_ATTR.nodev | (mount.readonly ? MOUNT_ATTR.readonly : 0n);
    const fd = binds[index] ?? -1;
    const source = sources.push({ kind: 'host', fd, idmap: 'if-possible', recursive: true, attributes }) - 1;
    return { kind: 'attach', path, source, file: mount.isFile };
  });
}

/** Pure: the same spec and parts give the same plan. Every decision about isolation is in here or in the tables it reads. */
export function planLaunch(spec: SandboxSpec, parts: LaunchParts): LaunchPlan {
  const sources = [...parts.rootfs.sources];
  const dev = sources.push({ kind: 'dev', nodes: spec.devices }) - 1;
  const steps: Step[] = [
    ...parts.rootfs.steps,
    ...parts.directories.map((path): Step => ({ kind: 'directory', path: path.slice(1) })),
    ...planKernelFilesystems(spec, dev),
    ...planUserMounts(spec.mounts, parts.binds, sources),
    ...Object.entries(spec.sysctls).map(([name, value]): Step => ({
      kind: 'sysctl',
      path: name.replaceAll('.', '/'),
      value,
    })),
  ];
  if (spec.readonlyRoot) {
    // The root itself is made so at the very end. What is attached to it is a file system of its own.
    const attached = parts.rootfs.steps.filter(({ kind }) => kind === 'attach');
    steps.push(...attached.map(({ path }): Step => ({ kind: 'readonly', path })));
  }
  if (spec.maskKernelPaths) {
    const masked = spec.ids.kind === 'host' ? [...parts.maskedPaths, ...MASKED_FROM_HOST_ROOT] : parts.maskedPaths;
    steps.push(...masked.map((path): Step => ({ kind: 'mask', path })));
    steps.push(...READONLY_PATHS.map((path): Step => ({ kind: 'readonly', path })));
  }
  return {
    namespaces: planNamespaces(spec),
    uidMap: parts.uidMap,
    gidMap: parts.gidMap,
    nextRoot: parts.nextRoot,
    hostname: spec.hostname,
    domainname: spec.domainname,
    timeOffsets: spec.clocks && {
      monotonicNs: BigInt(Math.round(spec.clocks.monotonicMs)) * NS_PER_MS,
      boottimeNs: BigInt(Math.round(spec.clocks.boottimeMs)) * NS_PER_MS,
    },
    sources,
    root: parts.rootfs.root,
    writable: (parts.wantsChanges ? parts.rootfs.changes?.source : undefined) ?? -1,
    steps,
    readonlyRoot: spec.readonlyRoot,
    loopback: spec.network !== 'host',
    lockMounts: spec.capabilities.has('CAP_SYS_ADMIN'),
    seccomp: parts.seccomp.program,
    seccompFlags: parts.seccomp.flags,
    cgroup: parts.cgroup.directory ?? -1,
    cgroupFiles: parts.cgroup.tasks,
  };
}
