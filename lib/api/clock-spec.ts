import { invalidOption } from '../errors.js';
import type { ClockOffsets } from '../runtime/spec.js';
import { checkDuration, checkObject } from './check.js';

/** Less than the kernel's own bound, `KTIME_SEC_MAX / 2` in kernel/time/namespace.c. */
const MAX_OFFSET_MS = 100 * 365 * 24 * 3600e3;

export function checkClocks(value: unknown): ClockOffsets | undefined {
  if (value === undefined) return undefined;
  const clocks = checkObject('clocks', value, ['monotonic', 'boottime']);
  return {
    monotonicMs: checkOffset('clocks.monotonic', clocks['monotonic']),
    boottimeMs: checkOffset('clocks.boottime', clocks['boottime']),
  };
}

function checkOffset(option: string, value: unknown): number {
  const ms = checkDuration(option, value, 0);
  if (ms <= MAX_OFFSET_MS) return ms;
  throw invalidOption(option, 'at most 100 years', value, 'a time namespace cannot shift its clocks further');
}
