import { describe, expect, test } from 'vitest';
import { UNKNOWN_USAGE } from '../../../lib/cgroup/usage.js';
import {
  decodeWaitStatus,
  judgeEnd,
  toUsage,
  type EndFacts,
  type EndReason,
  type Usage,
} from '../../../lib/runtime/result.js';

const exit = (code: number): number => code << 8;
const SIGKILL = 9;
const SIGXCPU = 24;
const SIGSYS = 31;
const DUMPED = 0x80;

describe('a wait status', () => {
  test.each<[number, number | undefined, string | undefined]>([
    [exit(0), 0, undefined],
    [exit(1), 1, undefined],
    [exit(137), 137, undefined],
    [exit(255), 255, undefined],
    [SIGKILL, undefined, 'SIGKILL'],
    [11 | DUMPED, undefined, 'SIGSEGV'],
    [6, undefined, 'SIGABRT'],
    [34, undefined, 'SIGRTMIN'],
    [64, undefined, 'SIGRTMAX'],
  ])('%i', (status, exitCode, signal) => {
    expect(decodeWaitStatus(status)).toEqual({ exitCode, signal });
  });
});

describe('why it ended', () => {
  const nothing = toUsage(1, UNKNOWN_USAGE, { userUs: 0, systemUs: 0, maxRssBytes: 0 });
  const usage = (facts: Partial<Usage>): Usage => ({ ...nothing, ...facts });
  const judge = (facts: Partial<EndFacts>): EndReason =>
    judgeEnd({
      waitStatus: 0,
      cause: undefined,
      usage: nothing,
      cpuTimeLimitMs: Infinity,
      hasCpuLimit: false,
      rest: 0,
      ...facts,
    });
  const oom = usage({ oomKills: 1 });
  const refused = usage({ pidsLimitHits: 3 });
  const busy = usage({ cpuUserMs: 600, cpuSystemMs: 500 });

  test.each<[EndReason, Partial<EndFacts>]>([
    ['exit', {}],
    ['exit', { waitStatus: exit(3) }],
    ['signal', { waitStatus: SIGKILL }],
    ['signal', { waitStatus: 11 | DUMPED }],
    // What the library did is certain, whatever else happened meanwhile.
    ['timeout', { cause: 'timeout', waitStatus: SIGKILL, usage: oom }],
    ['abort', { cause: 'abort', waitStatus: exit(0) }],
    ['output', { cause: 'output', waitStatus: SIGSYS }],
    // The kernel killed for memory, and it did not succeed.
    ['oom', { waitStatus: SIGKILL, usage: oom }],
    ['oom', { waitStatus: exit(1), usage: oom }],
    ['oom', { waitStatus: exit(137), usage: oom }],
    // It lost a process and got over it.
    ['exit', { waitStatus: exit(0), usage: oom }],
    // Refused forks matter when it did not succeed, or left others at work.
    ['pids', { waitStatus: exit(2), usage: refused }],
    ['pids', { waitStatus: exit(0), usage: refused, rest: 1 }],
    ['exit', { waitStatus: exit(0), usage: refused, rest: 0 }],
    ['exit', { waitStatus: exit(0), rest: 5 }],
    ['pids', { waitStatus: 6, usage: refused }],
    ['oom', { waitStatus: exit(1), usage: usage({ oomKills: 1, pidsLimitHits: 1 }) }],
    // The kernel's own watch over processor time: SIGXCPU first, then SIGKILL.
    ['cpu', { waitStatus: SIGXCPU, hasCpuLimit: true }],
    ['signal', { waitStatus: SIGXCPU }],
    ['cpu', { waitStatus: SIGKILL, usage: busy, cpuTimeLimitMs: 1000 }],
    ['signal', { waitStatus: SIGKILL, usage: busy, cpuTimeLimitMs: 2000 }],
    ['signal', { waitStatus: 15, usage: busy, cpuTimeLimitMs: 1000 }],
    ['policy', { waitStatus: SIGSYS }],
    ['policy', { waitStatus: SIGSYS | DUMPED, usage: refused }],
    ['exit', { waitStatus: exit(31) }],
  ])('%s: %j', (reason, facts) => {
    expect(judge(facts)).toBe(reason);
  });
});

describe('what it cost', () => {
  const fallback = { userUs: 1500, systemUs: 500, maxRssBytes: 4096 };

  test('as its group says', () => {
    const group = {
      ...UNKNOWN_USAGE, cpuUserUs: 2500, cpuSystemUs: 0, memoryPeakBytes: 8192, pidsPeak: 3, ioReadBytes: 1, ioWriteBytes: 2,
      oomKills: 0, pidsLimitHits: 4, throttledUs: 1500,
    }; // prettier-ignore
    expect(toUsage(12.5, group, fallback)).toEqual({
      wallMs: 12.5, cpuUserMs: 2.5, cpuSystemMs: 0, memoryPeakBytes: 8192, pidsPeak: 3, ioReadBytes: 1, ioWriteBytes: 2,
      oomKills: 0, pidsLimitHits: 4, throttledMs: 1.5,
    }); // prettier-ignore
  });

  test('without a group what wait4(2) knows, and nothing instead of a guess', () => {
    expect(toUsage(1, UNKNOWN_USAGE, fallback)).toEqual({
      wallMs: 1, cpuUserMs: 1.5, cpuSystemMs: 0.5, memoryPeakBytes: 4096, pidsPeak: undefined, ioReadBytes: undefined,
      ioWriteBytes: undefined, oomKills: undefined, pidsLimitHits: undefined, throttledMs: undefined,
    }); // prettier-ignore
  });
});
