import type { Controller } from './controller.js';
import { cpu, cpuacct } from './cpu.js';
import { cpuset } from './cpuset.js';
import { devices } from './devices.js';
import { hugetlb } from './hugetlb.js';
import { io } from './io.js';
import { memory } from './memory.js';
import { pids } from './pids.js';

/**
 * In the order in which groups are made and processes enter them: cpuset first, so that memory is allocated on the right nodes from
 * the start.
 */
export const CONTROLLERS: readonly Controller[] = [cpuset, memory, pids, cpuacct, cpu, io, devices, hugetlb];
