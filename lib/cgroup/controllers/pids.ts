import { type Controller, parseCount, parseKeyed } from './controller.js';

/**
 * What `max` in pids.events counts depends on the kernel:
 * - v1, and v2 before 6.10: in the group of the process whose fork was refused, whichever group's limit it was;
 * - v2 since 6.10: in the group whose limit it was and in those above (kernel commit 73e75e6fc352).
 * Therefore a command's group repeats its sandbox's limit (see `childLimits`), and a sandbox adds up its commands' where needed.
 *
 * @see https://docs.kernel.org/admin-guide/cgroup-v2.html#pid
 */
export const pids: Controller = {
  name: 'pids',
  isAccounting: true,
  limits: ['pids'],
  needs: () => [],
  steps: (_version, to, from) =>
    to.pids === undefined || to.pids === from?.pids
      ? []
      : [{ limit: 'pids', file: 'pids.max', value: to.pids === Infinity ? 'max' : String(to.pids) }],
  usage: (_version, read) => ({
    pidsCurrent: parseCount(read('pids.current')),
    pidsPeak: parseCount(read('pids.peak')),
    pidsLimitHits: parseKeyed(read('pids.events'), 'max'),
  }),
};
