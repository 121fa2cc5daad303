import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

/** What sandboxes of one process have of this machine at some moment. */
export interface Footprint {
  /** Started by the launcher, its inits included. */
  readonly processes: number;
  /** Of this process's namespace and the launcher's. */
  readonly mounts: number;
  readonly cgroups: number;
  readonly namespaces: number;
  /** Of this process. */
  readonly descriptors: number;
  readonly launcherDescriptors: number;
  readonly launcherKib: number;
}

function tryRead<T>(read: () => T, absent: T): T {
  try {
    return read();
  } catch {
    return absent;
  }
}

const pids = (): string[] => readdirSync('/proc').filter((name) => /^\d+$/.test(name));
const parentOf = (pid: string): string =>
  /^PPid:\t(\d+)$/m.exec(tryRead(() => readFileSync(`/proc/${pid}/status`, 'latin1'), ''))?.[1] ?? '';
const commandOf = (pid: string): string => tryRead(() => readFileSync(`/proc/${pid}/cmdline`, 'latin1'), '');
const countLines = (path: string): number => tryRead(() => readFileSync(path, 'latin1').split('\n').length - 1, 0);
const countEntries = (path: string): number => tryRead(() => readdirSync(path).length, 0);

/** The launcher of a process, if it has one. */
export function launcherOf(pid: number): string | undefined {
  return pids().find((each) => parentOf(each) === String(pid) && commandOf(each).startsWith('cloister-launcher'));
}

/** All that descends from a process. */
export function descendantsOf(pid: string): string[] {
  const parents = new Map(pids().map((each) => [each, parentOf(each)]));
  const isBelow = (each: string): boolean => {
    for (let at = parents.get(each); at !== undefined && at !== ''; at = parents.get(at)) if (at === pid) return true;
    return false;
  };
  return [...parents.keys()].filter(isBelow);
}

/** Directories below every `cloister` group of this machine that belong to a process: its pid is part of the owner's label. */
export function cgroupsOf(pid: number): string[] {
  const walk = (path: string, depth: number): string[] =>
    tryRead(() => readdirSync(path, { withFileTypes: true }), [])
      .filter((entry) => entry.isDirectory())
      .flatMap(({ name }) => [join(path, name), ...(depth > 0 ? walk(join(path, name), depth - 1) : [])]);
  const owner = new RegExp(`/cloister/[0-9a-f]{8}-\\d+-${pid}-`);
  return walk('/sys/fs/cgroup', 8).filter((path) => owner.test(path));
}

function namespaces(): number {
  const links = pids().flatMap((pid) =>
    tryRead(() => readdirSync(`/proc/${pid}/ns`), []).map((name) =>
      tryRead(() => readlinkSync(`/proc/${pid}/ns/${name}`), ''),
    ),
  );
  return new Set(links).size;
}

export function footprint(): Footprint {
  const launcher = launcherOf(process.pid);
  const kib = /^VmRSS:\s+(\d+)/m.exec(tryRead(() => readFileSync(`/proc/${launcher ?? ''}/status`, 'latin1'), ''))?.[1];
  return {
    processes: launcher === undefined ? 0 : descendantsOf(launcher).length,
    mounts: countLines('/proc/self/mountinfo') + countLines(`/proc/${launcher ?? ''}/mountinfo`),
    cgroups: cgroupsOf(process.pid).length,
    namespaces: namespaces(),
    descriptors: countEntries('/proc/self/fd'),
    launcherDescriptors: countEntries(`/proc/${launcher ?? ''}/fd`),
    launcherKib: Number(kib ?? 0),
  };
}

/** What is kept ready for the next start, by number; all else has to be what it was. */
const SPARE: Partial<Record<keyof Footprint, number>> = {
  processes: 1,
  namespaces: 8,
  launcherDescriptors: 2,
  launcherKib: 512,
};

/** Waits until nothing more is there than before; fails with what is. */
export async function expectNoMoreThan(before: Footprint): Promise<void> {
  const more = (): Partial<Footprint> => {
    const now = footprint();
    const names = Object.keys(now) as (keyof Footprint)[];
    return Object.fromEntries(
      names.filter((name) => now[name] > before[name] + (SPARE[name] ?? 0)).map((name) => [name, now[name]]),
    );
  };
  await expect.poll(more, { timeout: 60_000, interval: 250, message: `before: ${JSON.stringify(before)}` }).toEqual({});
}
