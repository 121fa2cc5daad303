import type { CgroupLimits } from '../limits.js';
import type { FileNeed, Step } from './controller.js';
import { type Controller, parseCount, parseKeyed } from './controller.js';

const V1_LIMIT = 'memory.limit_in_bytes';
/** Memory and swap together, and never below memory alone. */
const V1_BOTH = 'memory.memsw.limit_in_bytes';

/**
 * v1 counts what TCP has in its buffers in an account of its own, and not at all unless something was written here
 * (memory.html, "Kernel Memory Extension"): without it the buffers of a sandbox are limited by the host's `tcp_mem` only.
 */
const V1_TCP = 'memory.kmem.tcp.limit_in_bytes';
/** Comes on top of the limit, so only a part of it. */
const TCP_SHARE = 1 / 4;

const v1Value = (bytes: number): string => (bytes === Infinity ? '-1' : String(bytes));
const v2Value = (bytes: number): string => (bytes === Infinity ? 'max' : String(bytes));

function v1TcpSteps(to: CgroupLimits, from: CgroupLimits | undefined): Step[] {
  if (from !== undefined && from.memoryBytes === to.memoryBytes) return [];
  const bytes = Math.floor((to.memoryBytes ?? Infinity) * TCP_SHARE);
  return [{ limit: 'memoryBytes', file: V1_TCP, value: v1Value(bytes), optional: true }];
}

function v1Steps(to: CgroupLimits, from: CgroupLimits = {}): Step[] {
  const memory = to.memoryBytes ?? Infinity;
  const both = memory + (to.swapBytes ?? Infinity);
  const oldMemory = from.memoryBytes ?? Infinity;
  const oldBoth = oldMemory + (from.swapBytes ?? Infinity);
  const setMemory: Step[] =
    memory === oldMemory ? [] : [{ limit: 'memoryBytes', file: V1_LIMIT, value: v1Value(memory) }];
  const setBoth: Step[] = both === oldBoth ? [] : [{ limit: 'swapBytes', file: V1_BOTH, value: v1Value(both) }];
  return both > oldBoth ? [...setBoth, ...setMemory] : [...setMemory, ...setBoth];
}

/**
 * v1 refuses a limit below the current use with EBUSY. v2 would kill until it fits: so `memory.high` makes the kernel reclaim first,
 * and the hard limit follows only when that was enough.
 */
function v2Lower(bytes: number): Step[] {
  const limit = 'memoryBytes';
  return [
    { limit, file: 'memory.high', value: v2Value(bytes) },
    { limit, file: 'memory.current', atMost: bytes },
    { limit, file: 'memory.max', value: v2Value(bytes) },
    { limit, file: 'memory.high', value: 'max' },
  ];
}

function v2Steps(to: CgroupLimits, from?: CgroupLimits): Step[] {
  const memory = to.memoryBytes ?? Infinity;
  const oldMemory = from?.memoryBytes ?? Infinity;
  const swap = to.swapBytes ?? Infinity;
  const setMemory: Step[] = [{ limit: 'memoryBytes', file: 'memory.max', value: v2Value(memory) }];
  const resetHigh: Step[] = from === undefined ? [] : [{ limit: 'memoryBytes', file: 'memory.high', value: 'max' }];
  const steps: Step[] = [];
  if (memory < oldMemory && from !== undefined) steps.push(...v2Lower(memory));
  else if (memory !== oldMemory) steps.push(...resetHigh, ...setMemory);
  if (swap !== (from?.swapBytes ?? Infinity))
    steps.push({ limit: 'swapBytes', file: 'memory.swap.max', value: v2Value(swap) });
  return steps;
}

function needs(version: 1 | 2, limits: CgroupLimits): FileNeed[] {
  if (limits.swapBytes === undefined) return [];
  const file = version === 1 ? V1_BOTH : 'memory.swap.max';
  return [{ limit: 'swapBytes', file, remedy: 'boot with swapaccount=1' }];
}

/**
 * Where a whole group is killed (`memory.oom.group`) the kernel counts the process that it chose first once more, with the others:
 * mm/oom_kill.c, oom_kill_process().
 */
function v2Kills(events: string | undefined): number | undefined {
  const kills = parseKeyed(events, 'oom_kill');
  if (kills === undefined || kills === 0) return kills;
  return Math.max(1, kills - (parseKeyed(events, 'oom_group_kill') ?? 0));
}

/** @see https://docs.kernel.org/admin-guide/cgroup-v1/memory.html */
export const memory: Controller = {
  name: 'memory',
  isAccounting: true,
  limits: ['memoryBytes', 'swapBytes'],
  needs,
  steps: (version, to, from) => (version === 1 ? [...v1Steps(to, from), ...v1TcpSteps(to, from)] : v2Steps(to, from)),
  usage: (version, read) =>
    version === 1
      ? {
          memoryCurrentBytes: parseCount(read('memory.usage_in_bytes')),
          memoryPeakBytes: parseCount(read('memory.max_usage_in_bytes')),
          oomKills: parseKeyed(read('memory.oom_control'), 'oom_kill'),
        }
      : {
          memoryCurrentBytes: parseCount(read('memory.current')),
          memoryPeakBytes: parseCount(read('memory.peak')),
          oomKills: v2Kills(read('memory.events')),
        },
};
