/** Numbers of `RLIMIT_*` on x86-64 and arm64, getrlimit(2). */
export const RLIMITS = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
} as const;

/** As getrlimit(2) names it, without `RLIMIT_` and in lower case: `'nofile'`. */
export type RlimitName = keyof typeof RLIMITS;

/** `RLIM_INFINITY`. */
export const UNLIMITED = 0xffff_ffff_ffff_ffffn;

/** Bytes, counts or microseconds, as getrlimit(2) has them. */
export interface RlimitValue {
  readonly soft: number;
  readonly hard: number;
}

/** As many as nearly every program is content with. */
const OPEN_FILES: RlimitValue = { soft: 1024, hard: 4096 };
/** Fewer would break ordinary programs. */
const MIN_OPEN_FILES = 256;
/** One sandbox with this many processes (the default of `limits.pids`) takes at most a quarter of the files that the host can open. */
const PROCESSES = 256;
const SHARE = 1 / 4;

/** What the defaults depend on, as texts of the kernel. */
export interface RlimitFacts {
  /** `/proc/sys/fs/file-max`: of the whole host, and no namespace or control group limits a part of it. */
  readonly fileMax: string;
  /** `/proc/self/limits` of the application, which may lack the right to give more than it has. */
  readonly ownLimits: string;
}

/** `Infinity` where the text does not say. Its lines stand in the order of the numbers, proc_pid_limits(5). */
export function ownHardLimit(name: RlimitName, ownLimits: string): number {
  // `%-25s %-20s %-20s %-10s`, fs/proc/base.c.
  const hard = ownLimits.split('\n')[RLIMITS[name] + 1]?.slice(26).trim().split(/\s+/)[1];
  return hard === undefined || !/^\d+$/.test(hard) ? Infinity : Number(hard);
}

function openFiles({ fileMax, ownLimits }: RlimitFacts): RlimitValue {
  const own = /^Max open files\s+\d+\s+(\d+)/m.exec(ownLimits)?.[1];
  const share = Math.max(MIN_OPEN_FILES, Math.floor((Number(fileMax) * SHARE) / PROCESSES));
  const hard = Math.min(OPEN_FILES.hard, share, own === undefined ? Infinity : Number(own));
  return { soft: Math.min(OPEN_FILES.soft, hard), hard };
}

/**
 * Limits of a command that nobody asked for.
 *
 * `core` is 1, not 0: no core file either way (it would carry the program's memory into its writable layer), but only 1 keeps the
 * kernel from starting a crash handler of the host that `kernel.core_pattern` names (core(5); do_coredump in fs/coredump.c). A
 * program that wants to crash into the handler can lower it to 0.
 */
export function defaultRlimits(facts: RlimitFacts): Readonly<Partial<Record<RlimitName, RlimitValue>>> {
  return { core: { soft: 1, hard: 1 }, nofile: openFiles(facts) };
}

export function encodeRlimit(value: number): bigint {
  return value === Infinity ? UNLIMITED : BigInt(value);
}
