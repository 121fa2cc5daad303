import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { CloisterError } from '../errors.js';
import { nativeParts } from '../native/addon.js';
import { callAddon } from '../native/kernel.js';
import { type CgroupFiles, errnoOf, kernelCgroupFiles } from './cgroup-files.js';
import type { AttachDeviceFilter, GroupContext } from './context.js';
import { Disks } from './disks.js';
import { parseHierarchies } from './hierarchy.js';
import { KernelCgroupManager } from './kernel-manager.js';
import { type CgroupLayout, openLayout } from './layout.js';
import type { CgroupManager } from './manager.js';
import { newOwnerLabel } from '../shared/owner.js';

/** Where the facts about a host come from; tests give a directory that imitates cgroupfs. */
export interface CgroupHost {
  /** The text of /proc/self/mountinfo. */
  readonly mountinfo: string;
  /** The text of /proc/self/cgroup. */
  readonly selfCgroup: string;
  readonly files: CgroupFiles;
  readonly disks: Disks;
  /** See `GroupContext`. */
  killMembers(procsFile: string): void;
}

export interface CgroupManagerOptions {
  /** Its disk is what I/O limits are about unless they name another one. */
  readonly stateDirectory?: string;
  /** The label under which all groups are made, see `formatOwner`; by default one of this process. */
  readonly owner?: string;
  /** Is told of each of the owner's directories before it is made, so that it does not outlive this process, however that ends. */
  readonly adopt?: (ownerDirectory: string) => void;
  /** Without it v2 has no device lists. */
  readonly attachDeviceFilter?: AttachDeviceFilter;
  readonly host?: CgroupHost;
}

function kernelHost(): CgroupHost {
  return {
    mountinfo: readFileSync('/proc/self/mountinfo', 'latin1'),
    selfCgroup: readFileSync('/proc/self/cgroup', 'latin1'),
    files: kernelCgroupFiles,
    disks: new Disks(),
    killMembers: (procsFile) => callAddon(() => nativeParts().addon.killMembers(procsFile)),
  };
}

/** A group that is gone has no members. */
function killMembers(host: CgroupHost, procsFile: string): void {
  try {
    host.killMembers(procsFile);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENODEV') throw error;
  }
}

/**
 * Since Linux 6.10 v1 counts a disk's I/O per group only after somebody has set a throttling rule there (commit a3166c51702b).
 * Rule 0 is no rule, but setting it is enough. False when that failed, and the counters would be zero whatever happens.
 */
function countIo(layout: CgroupLayout, { files, disks }: CgroupHost): boolean {
  const tree = layout.serving('io');
  if (tree?.version !== 1) return true;
  try {
    for (const disk of disks.all())
      files.write(posix.join(tree.ownerPath, 'blkio.throttle.read_bps_device'), `${disk} 0`);
    return true;
  } catch {
    return false;
  }
}

/**
 * Finds out what control groups this host has and makes this owner's directory in each hierarchy.
 *
 * @throws `ERR_UNSUPPORTED` with the reason for every hierarchy when none can be used; see `DisabledCgroupManager`.
 * @example
 * ```ts
 * const cgroups = openCgroupManager({ stateDirectory: '/var/lib/cloister' });
 * const group = cgroups.create({ memoryBytes: 64 * 2 ** 20, pids: 32 }, { role: 'command' });
 * // … a process is cloned into group.entry.directory, writes "0" into group.entry.tasks and executes a program …
 * console.log(group.usage().memoryPeakBytes);
 * await group.remove();
 * cgroups.dispose();
 * ```
 */
export function openCgroupManager(options: CgroupManagerOptions = {}): CgroupManager {
  const host = options.host ?? kernelHost();
  const owner = options.owner ?? newOwnerLabel();
  const hierarchies = parseHierarchies(host.mountinfo, host.selfCgroup);
  const layout = openLayout(hierarchies, owner, { files: host.files, adopt: options.adopt });
  if (layout.trees.length === 0) {
    const reasons = layout.refusals.length === 0 ? 'none is mounted' : layout.refusals.join('; ');
    throw new CloisterError('ERR_UNSUPPORTED', `no cgroup hierarchy can be used: ${reasons}`, {
      hint: 'run as root, in a container with --privileged or --cgroupns=host, or in a systemd unit with Delegate=yes',
    });
  }
  let ioDevice: { known: string | undefined } | undefined;
  const context: GroupContext = {
    files: host.files,
    layout,
    disks: host.disks,
    attachDeviceFilter: options.attachDeviceFilter,
    countsIo: countIo(layout, host),
    ioDevice: () => (ioDevice ??= { known: host.disks.behind(options.stateDirectory ?? '/') }).known,
    killMembers: (procsFile) => killMembers(host, procsFile),
  };
  return new KernelCgroupManager(context, owner);
}
