import { deviceTable, v1DeviceLines } from '../device-rules.js';
import type { Controller, Step } from './controller.js';

/**
 * v1's device list. On v2 there is no such file but a BPF program (`device-filter.ts`), so there is nothing to write.
 * @see https://docs.kernel.org/admin-guide/cgroup-v1/devices.html
 */
export const devices: Controller = {
  name: 'devices',
  isAccounting: false,
  limits: ['devices'],
  needs: () => [],
  steps(version, to, from): readonly Step[] {
    if (version === 2 || to.devices === undefined || to.devices === from?.devices) return [];
    return v1DeviceLines(deviceTable(to.devices)).map(({ file, value }) => ({ limit: 'devices', file, value }));
  },
  usage: () => ({}),
};
