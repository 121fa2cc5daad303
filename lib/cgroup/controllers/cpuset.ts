import type { Step } from './controller.js';
import type { Controller } from './controller.js';

/** @see https://docs.kernel.org/admin-guide/cgroup-v1/cpusets.html */
export const cpuset: Controller = {
  name: 'cpuset',
  isAccounting: false,
  limits: ['cpuset', 'cpusetMems'],
  needs: () => [],
  steps(_version, to, from) {
    const result: Step[] = [];
    if (to.cpuset !== undefined && to.cpuset !== from?.cpuset) {
      result.push({ limit: 'cpuset', file: 'cpuset.cpus', value: to.cpuset });
    }
    if (to.cpusetMems !== undefined && to.cpusetMems !== from?.cpusetMems) {
      result.push({ limit: 'cpusetMems', file: 'cpuset.mems', value: to.cpusetMems });
    }
    return result;
  },
  usage: () => ({}),
};
