import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { checkCommand } from '../../../lib/api/command-spec.js';
import { checkSandbox } from '../../../lib/api/sandbox-spec.js';
import { UNKNOWN_USAGE, type CgroupUsage } from '../../../lib/cgroup/usage.js';
import type { ExecOptions } from '../../../lib/index.js';
import { CommandLimits } from '../../../lib/runtime/command-limits.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function watch(options: ExecOptions, usage: () => Partial<CgroupUsage> = () => ({})) {
  const end = vi.fn();
  const spec = checkCommand(['true'], options, checkSandbox({}), Infinity);
  const limits = new CommandLimits(spec, () => ({ ...UNKNOWN_USAGE, ...usage() }), end);
  return { limits, end };
}

describe('wall-clock time', () => {
  test('ends the command when it is over', () => {
    const { limits, end } = watch({ timeout: 1000 });
    limits.start();
    vi.advanceTimersByTime(999);
    expect(end).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(end.mock.calls).toEqual([['timeout']]);
  });

  test('none, and more than a timer can wait for', () => {
    for (const timeout of [Infinity, '100d']) {
      const { limits, end } = watch({ timeout });
      limits.start();
      vi.advanceTimersByTime(24 * 3600e3);
      expect(end).not.toHaveBeenCalled();
      limits.stop();
    }
  });

  test('runs from the start on, not before', () => {
    const { end } = watch({ timeout: 10 });
    vi.advanceTimersByTime(1000);
    expect(end).not.toHaveBeenCalled();
  });
});

describe('processor time', () => {
  test('is looked at more often the nearer the limit is, and ends the command at it', () => {
    let usedUs = 0;
    const asked: number[] = [];
    const { limits, end } = watch({ cpuTime: 1000 }, () => {
      asked.push(Date.now());
      return { cpuUserUs: usedUs, cpuSystemUs: 0 };
    });
    const begun = Date.now();
    limits.start();
    vi.advanceTimersByTime(500);
    expect(asked).toEqual([begun + 500]);
    usedUs = 900_000;
    vi.advanceTimersByTime(500);
    // 100 ms are left: on two processors they can be over in 50.
    vi.advanceTimersByTime(50);
    expect(asked.slice(1)).toEqual([begun + 1000, begun + 1050]);
    expect(end).not.toHaveBeenCalled();
    usedUs = 1_000_000;
    vi.advanceTimersByTime(50);
    expect(end.mock.calls).toEqual([['cpu']]);
  });

  test('of user and system together', () => {
    const { limits, end } = watch({ cpuTime: 10 }, () => ({ cpuUserUs: 6000, cpuSystemUs: 5000 }));
    limits.start();
    vi.advanceTimersByTime(5);
    expect(end).toHaveBeenCalledWith('cpu');
  });

  test('that nobody can tell is no reason to end', () => {
    const { limits, end } = watch({ cpuTime: 10 });
    limits.start();
    vi.advanceTimersByTime(10_000);
    expect(end).not.toHaveBeenCalled();
    limits.stop();
  });
});

describe('the caller', () => {
  test('aborts', () => {
    const controller = new AbortController();
    const { end } = watch({ signal: controller.signal });
    controller.abort();
    expect(end.mock.calls).toEqual([['abort']]);
  });

  test('of many commands is listened to once, until the last has ended', () => {
    const { signal } = new AbortController();
    const commands = Array.from({ length: 20 }, () => watch({ signal }));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    for (const { limits } of commands) limits.stop();
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('after the end nobody is listened to, and no timer is left', () => {
    const controller = new AbortController();
    const busy = (): Partial<CgroupUsage> => ({ cpuUserUs: 1e9, cpuSystemUs: 0 });
    const { limits, end } = watch({ signal: controller.signal, timeout: 10, cpuTime: 10 }, busy);
    limits.start();
    limits.stop();
    controller.abort();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(1000);
    expect(end).not.toHaveBeenCalled();
  });
});
