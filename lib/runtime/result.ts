import type { CgroupUsage } from '../cgroup/usage.js';
import { signalName } from '../shared/signals.js';

/**
 * Why a command ended.
 * - `exit`, `signal`: by itself, or by a signal that nobody here sent.
 * - `timeout`, `cpu`, `output`, `abort`, `killed`: ended by the library, for that limit, signal or call.
 * - `oom`, `pids`: the kernel killed one of its processes for memory, or refused it another one, and it did not succeed: its exit
 *   code was not 0, or (for `pids`) processes of it were still at work when its main process ended.
 * - `policy`: the system call filter killed it.
 */
export type EndReason =
  'exit' | 'signal' | 'timeout' | 'cpu' | 'oom' | 'pids' | 'output' | 'policy' | 'abort' | 'killed';

/** What a command cost, all its processes together, from its own cgroup. Undefined where this host cannot tell. */
export interface Usage {
  /** From execve(2) to the end of the main process. */
  readonly wallMs: number;
  readonly cpuUserMs: number | undefined;
  readonly cpuSystemMs: number | undefined;
  /** Everything that was charged to its group at one time: memory of its processes, page cache, the kernel's on its behalf. */
  readonly memoryPeakBytes: number | undefined;
  /** Processes and threads at one time. */
  readonly pidsPeak: number | undefined;
  /** Bytes that were read from a disk, not from a cache. */
  readonly ioReadBytes: number | undefined;
  readonly ioWriteBytes: number | undefined;
  /** Processes killed for memory. */
  readonly oomKills: number | undefined;
  /** Forks refused for the pids limit. */
  readonly pidsLimitHits: number | undefined;
  /** Time spent waiting because the `cpus` limit was used up. */
  readonly throttledMs: number | undefined;
}

/** How a command ended, what it printed and what it cost. */
export interface CommandResult<Output extends string | Uint8Array = string> {
  /** Undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  /** The name of the signal that ended it: `'SIGKILL'`. Undefined when it exited by itself. */
  readonly signal: string | undefined;
  readonly reason: EndReason;
  /** All that was kept of the stream, also where it was read meanwhile; empty with `capture: false`. */
  readonly stdout: Output;
  readonly stderr: Output;
  /** Output beyond `maxOutput` was cut off. */
  readonly truncated: boolean;
  readonly usage: Usage;
}

/** What is known about an end, before it is judged. */
export interface EndFacts {
  /** As wait(2) gave it. */
  readonly waitStatus: number;
  /** What the library ended it for. */
  readonly cause: EndReason | undefined;
  readonly usage: Usage;
  readonly cpuTimeLimitMs: number;
  /** Whether a limit of the kernel's or of ours makes SIGXCPU more than a signal like others. */
  readonly hasCpuLimit: boolean;
  /** Processes that were still alive when the main process ended, and were killed then. */
  readonly rest: number;
}

/** Splits a wait status as wait(2) defines it. */
export function decodeWaitStatus(status: number): { exitCode: number | undefined; signal: string | undefined } {
  const signal = status & 0x7f;
  if (signal !== 0) return { exitCode: undefined, signal: signalName(signal) };
  return { exitCode: (status >> 8) & 0xff, signal: undefined };
}

/** The first that applies, from what is certain to what is likely. */
export function judgeEnd(facts: EndFacts): EndReason {
  if (facts.cause !== undefined) return facts.cause;
  const { exitCode, signal } = decodeWaitStatus(facts.waitStatus);
  const hasHitPids = (facts.usage.pidsLimitHits ?? 0) > 0;
  if (exitCode === 0) return hasHitPids && facts.rest > 0 ? 'pids' : 'exit';
  if ((facts.usage.oomKills ?? 0) > 0) return 'oom';
  const cpuMs = (facts.usage.cpuUserMs ?? 0) + (facts.usage.cpuSystemMs ?? 0);
  if (signal === 'SIGXCPU' && facts.hasCpuLimit) return 'cpu';
  if (signal === 'SIGKILL' && cpuMs >= facts.cpuTimeLimitMs) return 'cpu';
  if (signal === 'SIGSYS') return 'policy';
  if (hasHitPids) return 'pids';
  return signal === undefined ? 'exit' : 'signal';
}

/** Without a cgroup only the main process and those it waited for are known, getrusage(2). */
export interface FallbackUsage {
  readonly userUs: number;
  readonly systemUs: number;
  readonly maxRssBytes: number;
}

const perThousand = (us: number | undefined): number | undefined => (us === undefined ? undefined : us / 1000);

export function toUsage(wallMs: number, group: CgroupUsage, fallback: FallbackUsage): Usage {
  return {
    wallMs,
    cpuUserMs: perThousand(group.cpuUserUs ?? fallback.userUs),
    cpuSystemMs: perThousand(group.cpuSystemUs ?? fallback.systemUs),
    memoryPeakBytes: group.memoryPeakBytes ?? fallback.maxRssBytes,
    pidsPeak: group.pidsPeak,
    ioReadBytes: group.ioReadBytes,
    ioWriteBytes: group.ioWriteBytes,
    oomKills: group.oomKills,
    pidsLimitHits: group.pidsLimitHits,
    throttledMs: perThousand(group.throttledUs),
  };
}
