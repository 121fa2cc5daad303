import type { CgroupLimits } from '../limits.js';
import type { CgroupUsage } from '../usage.js';
import type { ReadFile, Step } from './controller.js';
import { type Controller, parseCount, parseKeyed } from './controller.js';

/** The kernel's own default; a quota is a share of it and at least a millisecond (sched-bwc.html). */
const PERIOD_US = 100_000;

/** cpu.weight 100 and cpu.shares 1024 are the same share: kernel/sched/core.c, cpu_weight_write_u64(). */
function sharesOfWeight(weight: number): number {
  return Math.min(262_144, Math.max(2, Math.round((weight * 1024) / 100)));
}

function steps(version: 1 | 2, to: CgroupLimits, from?: CgroupLimits): Step[] {
  const result: Step[] = [];
  if (to.cpus !== undefined && to.cpus !== from?.cpus) {
    const quota = to.cpus === Infinity ? undefined : Math.round(to.cpus * PERIOD_US);
    // The period is the default and stays so: one write for each version.
    if (version === 1) result.push({ limit: 'cpus', file: 'cpu.cfs_quota_us', value: String(quota ?? -1) });
    else result.push({ limit: 'cpus', file: 'cpu.max', value: `${quota ?? 'max'} ${PERIOD_US}` });
  }
  if (to.cpuWeight !== undefined && to.cpuWeight !== from?.cpuWeight) {
    if (version === 1)
      result.push({ limit: 'cpuWeight', file: 'cpu.shares', value: String(sharesOfWeight(to.cpuWeight)) });
    else result.push({ limit: 'cpuWeight', file: 'cpu.weight', value: String(to.cpuWeight) });
  }
  return result;
}

function v1Throttling(read: ReadFile): Partial<CgroupUsage> {
  const stat = read('cpu.stat');
  const nanoseconds = parseKeyed(stat, 'throttled_time');
  return {
    throttledPeriods: parseKeyed(stat, 'nr_throttled'),
    throttledUs: nanoseconds === undefined ? undefined : Math.round(nanoseconds / 1000),
  };
}

/** @see https://docs.kernel.org/scheduler/sched-bwc.html */
export const cpu: Controller = {
  name: 'cpu',
  isAccounting: false,
  limits: ['cpus', 'cpuWeight'],
  needs: (version, limits) =>
    limits.cpus === undefined
      ? []
      : [
          {
            limit: 'cpus',
            file: version === 1 ? 'cpu.cfs_quota_us' : 'cpu.max',
            remedy: 'use a kernel with CONFIG_CFS_BANDWIDTH',
          },
        ],
  steps,
  // v2 has one cpu.stat for both; `cpuacct` reads it.
  usage: (version, read) => (version === 1 ? v1Throttling(read) : {}),
};

/**
 * v1 counts the total to the nanosecond, but user and system time by the timer's ticks: as good as nothing for a command that runs
 * for milliseconds. So the exact total is split in the ratio of the ticks, as cputime_adjust() in kernel/sched/cputime.c does
 * for every process and for v2; without any tick in the kernel it is all user time.
 */
function v1Times(read: ReadFile): Partial<CgroupUsage> {
  const total = parseCount(read('cpuacct.usage'));
  const user = parseCount(read('cpuacct.usage_user'));
  const system = parseCount(read('cpuacct.usage_sys'));
  if (total === undefined || user === undefined || system === undefined) return {};
  const systemNs = system === 0 ? 0 : (total * system) / (user + system);
  const cpuSystemUs = Math.round(systemNs / 1000);
  return { cpuSystemUs, cpuUserUs: Math.round(total / 1000) - cpuSystemUs };
}

function v2Times(read: ReadFile): Partial<CgroupUsage> {
  const stat = read('cpu.stat');
  return {
    cpuUserUs: parseKeyed(stat, 'user_usec'),
    cpuSystemUs: parseKeyed(stat, 'system_usec'),
    throttledPeriods: parseKeyed(stat, 'nr_throttled'),
    throttledUs: parseKeyed(stat, 'throttled_usec'),
  };
}

/** Processor time. On v2 the `cpu.stat` of every group has it, without the cpu controller, which is not free. */
export const cpuacct: Controller = {
  name: 'cpuacct',
  isAccounting: true,
  limits: [],
  needs: () => [],
  steps: () => [],
  usage: (version, read) => (version === 1 ? v1Times(read) : v2Times(read)),
};
