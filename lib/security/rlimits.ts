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

export type RlimitName = keyof typeof RLIMITS;

/** `RLIM_INFINITY`. */
export const UNLIMITED = 0xffff_ffff_ffff_ffffn;

/** Bytes, counts or microseconds, as getrlimit(2) has them. */
export interface RlimitValue {
  readonly soft: number;
  readonly hard: number;
}

/** No core files: they would carry the program's memory into its writable layer, against its quota. */
export const DEFAULT_RLIMITS: Readonly<Partial<Record<RlimitName, RlimitValue>>> = { core: { soft: 0, hard: 0 } };

export function encodeRlimit(value: number): bigint {
  return value === Infinity ? UNLIMITED : BigInt(value);
}
