/**
 * What a group used since it was made. Undefined where this host cannot tell: never a guess, never a zero in its place.
 *
 * I/O is what reached a block device on behalf of the group. On v1 that excludes buffered writes that the kernel's own
 * writeback threads carried out later: v1 has no owner for them (cgroup-v2.html, "Writeback").
 */
export interface CgroupUsage {
  readonly cpuUserUs: number | undefined;
  readonly cpuSystemUs: number | undefined;
  readonly memoryCurrentBytes: number | undefined;
  readonly memoryPeakBytes: number | undefined;
  readonly pidsCurrent: number | undefined;
  readonly pidsPeak: number | undefined;
  readonly ioReadBytes: number | undefined;
  readonly ioWriteBytes: number | undefined;
  /** Processes that the out-of-memory killer ended. */
  readonly oomKills: number | undefined;
  /** Forks refused because of a pids limit, before any `kill()`. */
  readonly pidsLimitHits: number | undefined;
  readonly throttledPeriods: number | undefined;
  readonly throttledUs: number | undefined;
}

/** Of time that was lost to waiting. @see https://docs.kernel.org/accounting/psi.html */
export interface StallShare {
  /** Percent of the last 10, 60 and 300 seconds. */
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  readonly totalUs: number;
}

/** How long tasks waited for one resource: `some` of them, and all at once (`full`). */
export interface Stall {
  readonly some: StallShare;
  /** Undefined for the processor on kernels before 5.13. */
  readonly full: StallShare | undefined;
}

/** Time that the group's processes lost waiting; a part is undefined where the kernel does not measure it. */
export interface CgroupPressure {
  readonly cpu: Stall | undefined;
  readonly memory: Stall | undefined;
  readonly io: Stall | undefined;
}

/** Usage and pressure at one time. */
export interface CgroupSample {
  readonly usage: CgroupUsage;
  /** Undefined where the group has no pressure files (v1 alone, or a kernel without PSI). */
  readonly pressure: CgroupPressure | undefined;
  /** Processor time in the kernel's own words: the same twice means that nothing in the group ran in between. */
  readonly clock: string | undefined;
}

export const UNKNOWN_USAGE: CgroupUsage = Object.freeze({
  cpuUserUs: undefined,
  cpuSystemUs: undefined,
  memoryCurrentBytes: undefined,
  memoryPeakBytes: undefined,
  pidsCurrent: undefined,
  pidsPeak: undefined,
  ioReadBytes: undefined,
  ioWriteBytes: undefined,
  oomKills: undefined,
  pidsLimitHits: undefined,
  throttledPeriods: undefined,
  throttledUs: undefined,
});
