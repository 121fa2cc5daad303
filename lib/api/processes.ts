import { readFile } from 'node:fs/promises';

/** One process inside a sandbox. */
export interface ProcessInfo {
  /** Inside the sandbox. */
  readonly pid: number;
  /** Inside; 1 is the sandbox's init. */
  readonly parentPid: number;
  /** On the host. */
  readonly hostPid: number;
  /** Ids inside are those of its user namespace; these are the host's. */
  readonly hostUid: number;
  /** As the program names itself. */
  readonly name: string;
  /** The letter of proc_pid_status(5): `R`, `S`, `D`, `T`, `Z`. */
  readonly state: string;
  readonly threads: number;
  /** Resident memory, shared pages included. */
  readonly memoryBytes: number;
}

/** Only what the kernel keeps itself is read: the command line is in the process's own memory, and reading that can be made to hang. */
function parseStatus(hostPid: number, text: string): ProcessInfo | undefined {
  const field = (name: string): string => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(text)?.[1] ?? '';
  const pids = field('NSpid').split(/\s+/).map(Number);
  // One number alone is a process of the host that got the number of one that has just ended.
  const pid = pids.length > 1 ? pids.at(-1) : undefined;
  if (pid === undefined) return undefined;
  return {
    pid,
    parentPid: Number(field('PPid')),
    hostPid,
    hostUid: Number(field('Uid').split(/\s+/)[0]),
    name: field('Name'),
    state: field('State').charAt(0),
    threads: Number(field('Threads')),
    memoryBytes: Number(field('VmRSS').split(' ')[0]) * 1024,
  };
}

async function readProcess(hostPid: number): Promise<ProcessInfo | undefined> {
  try {
    return parseStatus(hostPid, await readFile(`/proc/${hostPid}/status`, 'latin1'));
  } catch {
    // It has ended since.
    return undefined;
  }
}

/** What the host knows about these processes, by its own numbers for them. Those that have ended are left out. */
export async function listProcesses(hostPids: readonly number[]): Promise<ProcessInfo[]> {
  const read = await Promise.all(hostPids.map(readProcess));
  const found = read.filter((each) => each !== undefined).filter(({ pid }) => pid !== 1);
  const inside = new Map(found.map(({ hostPid, pid }) => [hostPid, pid]));
  // The status file gives the parent by the reader's numbers; one that is not in the list is init.
  return found.map((each) => ({ ...each, parentPid: inside.get(each.parentPid) ?? 1 })).sort((a, b) => a.pid - b.pid);
}
