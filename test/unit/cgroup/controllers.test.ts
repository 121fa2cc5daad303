import { describe, expect, test } from 'vitest';
import { parseCount, parseKeyed } from '../../../lib/cgroup/controllers/controller.js';
import { CONTROLLERS } from '../../../lib/cgroup/controllers/index.js';
import { bfqWeight } from '../../../lib/cgroup/controllers/io.js';
import type { CgroupLimits } from '../../../lib/cgroup/limits.js';

const MIB = 2 ** 20;

/** What is written for a controller, `file=value`, and what is demanded, `file<=number`. */
function steps(name: string, version: 1 | 2, to: CgroupLimits, from?: CgroupLimits): string[] {
  const controller = CONTROLLERS.find((each) => each.name === name);
  const list = controller?.steps(version, to, from) ?? [];
  return list.map((step) => ('atMost' in step ? `${step.file}<=${step.atMost}` : `${step.file}=${step.value}`));
}

describe('memory on v1: memory alone is never above both together', () => {
  const MEMORY = 'memory.limit_in_bytes';
  const BOTH = 'memory.memsw.limit_in_bytes';
  const TCP = 'memory.kmem.tcp.limit_in_bytes';
  const limits = (memory: number, swap: number): CgroupLimits => ({ memoryBytes: memory * MIB, swapBytes: swap * MIB });

  test.each<[string, CgroupLimits, CgroupLimits | undefined, string[]]>([
    ['a fresh group', limits(8, 0), undefined, [`${MEMORY}=8388608`, `${BOTH}=8388608`, `${TCP}=2097152`]],
    ['a fresh group, memory alone', { memoryBytes: MIB }, undefined, [`${MEMORY}=1048576`, `${TCP}=262144`]],
    ['more', limits(16, 0), limits(8, 0), [`${BOTH}=16777216`, `${MEMORY}=16777216`, `${TCP}=4194304`]],
    ['less', limits(4, 0), limits(8, 0), [`${MEMORY}=4194304`, `${BOTH}=4194304`, `${TCP}=1048576`]],
    ['less memory, more swap', limits(4, 8), limits(8, 0), [`${BOTH}=12582912`, `${MEMORY}=4194304`, `${TCP}=1048576`]],
    ['swap only', limits(8, 8), limits(8, 0), [`${BOTH}=16777216`]],
    ['the same', limits(8, 0), limits(8, 0), []],
    ['none', { memoryBytes: Infinity, swapBytes: 0 }, limits(8, 0), [`${BOTH}=-1`, `${MEMORY}=-1`, `${TCP}=-1`]],
  ])('%s', (_, to, from, expected) => {
    expect(steps('memory', 1, to, from)).toEqual(expected);
  });
});

describe('memory on v2: what is in use is reclaimed, never killed, for a lower limit', () => {
  test.each<[string, CgroupLimits, CgroupLimits | undefined, string[]]>([
    ['a fresh group', { memoryBytes: 8, swapBytes: 0 }, undefined, ['memory.max=8', 'memory.swap.max=0']],
    ['more', { memoryBytes: 16 }, { memoryBytes: 8 }, ['memory.high=max', 'memory.max=16']],
    [
      'less',
      { memoryBytes: 4 },
      { memoryBytes: 8 },
      ['memory.high=4', 'memory.current<=4', 'memory.max=4', 'memory.high=max'],
    ],
    ['none', { memoryBytes: Infinity }, { memoryBytes: 8 }, ['memory.high=max', 'memory.max=max']],
    ['swap without end', { swapBytes: Infinity }, { swapBytes: 0 }, ['memory.swap.max=max']],
    ['the same', { memoryBytes: 8 }, { memoryBytes: 8 }, []],
  ])('%s', (_, to, from, expected) => {
    expect(steps('memory', 2, to, from)).toEqual(expected);
  });
});

describe('processors', () => {
  test.each<[1 | 2, CgroupLimits, CgroupLimits | undefined, string[]]>([
    [1, { cpus: 0.5 }, undefined, ['cpu.cfs_quota_us=50000']],
    [2, { cpus: 0.5 }, undefined, ['cpu.max=50000 100000']],
    [1, { cpus: Infinity }, { cpus: 1 }, ['cpu.cfs_quota_us=-1']],
    [2, { cpus: Infinity }, { cpus: 1 }, ['cpu.max=max 100000']],
    [1, { cpuWeight: 100 }, undefined, ['cpu.shares=1024']],
    [1, { cpuWeight: 1 }, undefined, ['cpu.shares=10']],
    [1, { cpuWeight: 10_000 }, undefined, ['cpu.shares=102400']],
    [2, { cpuWeight: 7 }, undefined, ['cpu.weight=7']],
    [2, { cpus: 1, cpuWeight: 7 }, { cpus: 1, cpuWeight: 7 }, []],
    [1, {}, undefined, []],
  ])('v%i %j after %j', (version, to, from, expected) => {
    expect(steps('cpu', version, to, from)).toEqual(expected);
  });

  test('by number, and memory nodes', () => {
    expect(steps('cpuset', 1, { cpuset: '0-2', cpusetMems: '0' })).toEqual(['cpuset.cpus=0-2', 'cpuset.mems=0']);
    expect(steps('cpuset', 2, { cpuset: '0' }, { cpuset: '0' })).toEqual([]);
  });
});

test('pids', () => {
  expect(steps('pids', 1, { pids: 5 })).toEqual(['pids.max=5']);
  expect(steps('pids', 2, { pids: Infinity }, { pids: 5 })).toEqual(['pids.max=max']);
  expect(steps('pids', 2, { pids: 5 }, { pids: 5 })).toEqual([]);
});

test('huge pages', () => {
  const hugetlb = { '2MB': 0, '1GB': Infinity };
  expect(steps('hugetlb', 1, { hugetlb })).toEqual(['hugetlb.2MB.limit_in_bytes=0', 'hugetlb.1GB.limit_in_bytes=-1']);
  expect(steps('hugetlb', 2, { hugetlb }, { hugetlb: { '2MB': 0 } })).toEqual(['hugetlb.1GB.max=max']);
});

describe('disks', () => {
  const THROTTLE = 'blkio.throttle.';

  test.each<[string, 1 | 2, CgroupLimits, CgroupLimits | undefined, string[]]>([
    ['a rate', 1, { io: { device: '8:0', readBps: 5 } }, undefined, [`${THROTTLE}read_bps_device=8:0 5`]],
    ['rates', 2, { io: { device: '8:0', readBps: 5, writeIops: 6 } }, undefined, ['io.max=8:0 rbps=5 wiops=6']],
    [
      'taken away',
      1,
      { io: { device: '8:0' } },
      { io: { device: '8:0', readBps: 5 } },
      [`${THROTTLE}read_bps_device=8:0 0`],
    ],
    ['taken away', 2, { io: { device: '8:0' } }, { io: { device: '8:0', readBps: 5 } }, ['io.max=8:0 rbps=max']],
    [
      'another disk',
      2,
      { io: { device: '8:16', readBps: 5 } },
      { io: { device: '8:0', readBps: 5 } },
      ['io.max=8:16 rbps=5', 'io.max=8:0 rbps=max'],
    ],
    ['the same', 2, { io: { device: '8:0', readBps: 5 } }, { io: { device: '8:0', readBps: 5 } }, []],
    ['a share', 1, { io: { device: '8:0', weight: 200 } }, undefined, ['blkio.bfq.weight=109']],
    ['a share', 2, { io: { device: '8:0', weight: 200 } }, undefined, ['io.bfq.weight=109', 'io.weight=default 200']],
  ])('%s, v%i', (_, version, to, from, expected) => {
    expect(steps('io', version, to, from)).toEqual(expected);
  });

  test('the scales of weights meet at the default', () => {
    expect([1, 50, 100, 10_000].map(bfqWeight)).toEqual([1, 50, 100, 1000]);
  });
});

describe('what a group has used', () => {
  const usage = (name: string, version: 1 | 2, files: Record<string, string>, isStacked = () => false): unknown =>
    CONTROLLERS.find((each) => each.name === name)?.usage(version, (file) => files[file], isStacked);

  test('processor time on v1, exact in sum and split as the ticks are', () => {
    const files = {
      'cpuacct.usage': '10000000\n',
      'cpuacct.usage_user': '3000000\n',
      'cpuacct.usage_sys': '1000000\n',
    };
    expect(usage('cpuacct', 1, files)).toEqual({ cpuUserUs: 7500, cpuSystemUs: 2500 });
    expect(usage('cpuacct', 1, { ...files, 'cpuacct.usage_sys': '0\n' })).toEqual({
      cpuUserUs: 10_000,
      cpuSystemUs: 0,
    });
    expect(usage('cpuacct', 1, {})).toEqual({});
  });

  test('processor time and throttling on v2', () => {
    const text = 'usage_usec 9\nuser_usec 5\nsystem_usec 4\nnr_throttled 2\nthrottled_usec 7\n';
    expect(usage('cpuacct', 2, { 'cpu.stat': text })).toEqual({
      cpuUserUs: 5,
      cpuSystemUs: 4,
      throttledPeriods: 2,
      throttledUs: 7,
    });
    expect(usage('cpu', 1, { 'cpu.stat': 'nr_throttled 2\nthrottled_time 7000\n' })).toEqual({
      throttledPeriods: 2,
      throttledUs: 7,
    });
  });

  test('disks, each byte once: not at a stacked device, too', () => {
    const v1 = '8:0 Read 10\n8:0 Write 20\n8:0 Total 30\n253:0 Read 10\n7:0 Read 5\nTotal 45\n';
    const isStacked = (device?: string): boolean => device === '253:0';
    expect(usage('io', 1, { 'blkio.throttle.io_service_bytes': v1 }, isStacked)).toEqual({
      ioReadBytes: 15,
      ioWriteBytes: 20,
    });
    const v2 = '8:0 rbytes=10 wbytes=20 rios=1\n253:0 rbytes=10 wbytes=20\n7:0 wbytes=1\n';
    expect(usage('io', 2, { 'io.stat': v2 }, isStacked)).toEqual({ ioReadBytes: 10, ioWriteBytes: 21 });
    expect(usage('io', 2, {})).toEqual({});
  });

  test('pids', () => {
    expect(usage('pids', 1, { 'pids.current': '3\n', 'pids.events': 'max 4\n' })).toEqual({
      pidsCurrent: 3,
      pidsPeak: undefined,
      pidsLimitHits: 4,
    });
  });
});

test.each<[string | undefined, number | undefined]>([
  ['12\n', 12],
  ['max\n', undefined],
  ['', undefined],
  [' \n', undefined],
  [undefined, undefined],
])('%j is the number %s', (text, count) => {
  expect(parseCount(text)).toBe(count);
});

test('a key is a whole one', () => {
  expect(parseKeyed('oom 1\noom_kill 2\n', 'oom')).toBe(1);
  expect(parseKeyed('oom_kill 2\n', 'oom')).toBeUndefined();
  expect(parseKeyed(undefined, 'oom')).toBeUndefined();
});
