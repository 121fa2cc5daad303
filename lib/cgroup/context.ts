import type { CgroupFiles } from './cgroup-files.js';
import type { Disks } from './disks.js';
import type { CgroupLayout } from './layout.js';

/** Attaches an eBPF program to a v2 group: bpf(2), `BPF_PROG_ATTACH` with `BPF_CGROUP_DEVICE`. Throws when the kernel refuses. */
export type AttachDeviceFilter = (cgroupDirectoryFd: number, program: Uint8Array) => void;

/** What every group of one manager shares. */
export interface GroupContext {
  readonly files: CgroupFiles;
  readonly layout: CgroupLayout;
  readonly disks: Disks;
  readonly attachDeviceFilter: AttachDeviceFilter | undefined;
  /** False when the kernel would leave a group's block I/O uncounted. */
  readonly countsIo: boolean;
  /** `MAJ:MIN` of the disk behind the state directory. */
  ioDevice(): string | undefined;
  /** SIGKILL to every process that a group's `cgroup.procs` lists, and to nobody else. */
  killMembers(procsFile: string): void;
}
