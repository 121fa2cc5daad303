import type { ControllerName } from '../hierarchy.js';
import type { CgroupLimits, LimitName } from '../limits.js';
import type { CgroupUsage } from '../usage.js';

/** One thing to do to a group's directory: write a value, or demand that a counter is not above a number. */
export type Step = WriteStep | DemandStep;

export interface WriteStep {
  readonly limit: LimitName;
  readonly file: string;
  readonly value: string;
  /** Kernels have one of several files for the same thing; this one may be absent. */
  readonly optional?: true;
}

export interface DemandStep {
  readonly limit: LimitName;
  readonly file: string;
  readonly atMost: number;
}

/** A control file without which a limit means nothing, although its controller is there. */
export interface FileNeed {
  readonly limit: LimitName;
  readonly file: string;
  readonly remedy: string;
}

/** The text of a control file of the group, undefined when the group has no such file. */
export type ReadFile = (file: string) => string | undefined;

/** What this library knows about one controller, for both versions. Pure: it says what to write and reads what it is given. */
export interface Controller {
  readonly name: ControllerName;
  /** Every group has it, limits or not, because `usage()` needs it. */
  readonly isAccounting: boolean;
  readonly limits: readonly LimitName[];
  needs(version: 1 | 2, limits: CgroupLimits): readonly FileNeed[];
  /**
   * From one set of limits to another, in an order in which every intermediate state is valid.
   * @param from undefined for a fresh group, which has no limits and no processes.
   */
  steps(version: 1 | 2, to: CgroupLimits, from?: CgroupLimits): readonly Step[];
  /** @param isStacked see `Disks.isStacked`; only block I/O needs it. */
  usage(version: 1 | 2, read: ReadFile, isStacked: (device: string) => boolean): Partial<CgroupUsage>;
}

/** `12\n` → 12; `max`, an empty and an absent file → undefined. */
export function parseCount(text: string | undefined): number | undefined {
  const value = text === undefined || text.trim() === '' ? NaN : Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** `key value` lines ("flat keyed", cgroup-v2.html). */
export function parseKeyed(text: string | undefined, key: string): number | undefined {
  if (text === undefined) return undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith(`${key} `)) return parseCount(line.slice(key.length + 1));
  }
  return undefined;
}
