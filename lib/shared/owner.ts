import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';

/** Who made a group: enough to tell later, from any process, whether that process still lives. */
export interface Owner {
  /** First eight digits of /proc/sys/kernel/random/boot_id. */
  readonly boot: string;
  /** Inode of the pid namespace that `pid` is a number in. */
  readonly pidNamespace: string;
  readonly pid: number;
  /** Clock ticks after boot, field 22 of /proc/PID/stat: a pid that is used again has another one. */
  readonly startTime: string;
  /** Tells the managers of one process apart: threads, and hosts with other directories. */
  readonly nonce: string;
}

/** What `isOwnerAlive` asks; replaced in tests. */
export interface ProcessTable {
  bootId(): string;
  pidNamespace(): string;
  /** Undefined when there is no such process. */
  startTime(pid: number): string | undefined;
}

/** Field 22 of /proc/PID/stat. The name in field 2 may hold spaces and parentheses, so counting starts after the last one. */
export function parseStartTime(stat: string): string | undefined {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

let boot: string | undefined;

/** Another one after every start of the machine, random(4). */
export function bootId(): string {
  return (boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim());
}

export const kernelProcessTable: ProcessTable = {
  bootId,
  pidNamespace: () => /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '',
  startTime(pid) {
    try {
      return parseStartTime(readFileSync(`/proc/${pid}/stat`, 'latin1'));
    } catch {
      return undefined;
    }
  },
};

export function describeOwner(pid: number, table: ProcessTable = kernelProcessTable): Owner {
  return {
    boot: table.bootId().slice(0, 8),
    pidNamespace: table.pidNamespace(),
    pid,
    startTime: table.startTime(pid) ?? '0',
    nonce: randomBytes(4).toString('hex'),
  };
}

export function newOwnerLabel(): string {
  return formatOwner(describeOwner(process.pid));
}

/** As one directory name. */
export function formatOwner(owner: Owner): string {
  return `${owner.boot}-${owner.pidNamespace}-${owner.pid}-${owner.startTime}-${owner.nonce}`;
}

export function parseOwner(label: string): Owner | undefined {
  const [, boot, pidNamespace, pid, startTime, nonce] =
    /^([0-9a-f]{8})-(\d+)-(\d+)-(\d+)-([0-9a-f]{8})$/.exec(label) ?? [];
  if (boot === undefined || pidNamespace === undefined || startTime === undefined || nonce === undefined)
    return undefined;
  return { boot, pidNamespace, pid: Number(pid), startTime, nonce };
}

/**
 * False only for a process that is known to be gone: of an earlier boot, or without its entry in /proc.
 * A label of another pid namespace, or one that is not ours, counts as alive: its number means nothing here.
 */
export function isOwnerAlive(label: string, table: ProcessTable = kernelProcessTable): boolean {
  const owner = parseOwner(label);
  if (owner === undefined) return true;
  if (owner.boot !== table.bootId().slice(0, 8)) return false;
  if (owner.pidNamespace !== table.pidNamespace()) return true;
  return table.startTime(owner.pid) === owner.startTime;
}
