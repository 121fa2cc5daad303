import { expect, test, vi } from 'vitest';
import { HOSTS, openHost, OWNER } from '../../support/cgroup-hosts.js';

test.each([
  ['v1', '/cg/cpuacct', 'cpuacct.usage', '/cg/memory', 'memory.usage_in_bytes'],
  ['v2', '/cg', 'cpu.stat', '/cg', 'memory.current'],
] as const)(
  'on %s a group at rest costs two reads, of files that stay open',
  async (kind, clock, time, store, bytes) => {
    const { manager, fake } = openHost(HOSTS[kind]);
    const box = manager.create({ pids: 10 }, { name: 'box' });
    const at = (mount: string, file: string): string => `${mount}/cloister/${OWNER}/box/${file}`;
    fake.set(at(clock, time), kind === 'v1' ? '5\n' : 'usage_usec 5\nuser_usec 3\nsystem_usec 2\n');
    fake.set(at(store, bytes), '4096\n');
    const first = box.sample(undefined);
    const second = box.sample(first);
    const [open, readOpen] = [vi.spyOn(fake.files, 'open'), vi.spyOn(fake.files, 'readOpen')];
    fake.set(at(store, bytes), '8192\n');
    const third = box.sample(second);
    expect(third.usage.memoryCurrentBytes).toBe(8192);
    expect(open).not.toHaveBeenCalled();
    expect(readOpen).toHaveBeenCalledTimes(2);
    fake.set(at(clock, time), kind === 'v1' ? '6\n' : 'usage_usec 6\nuser_usec 4\nsystem_usec 2\n');
    expect(box.sample(third).clock).not.toBe(third.clock);
    await box.remove();
    expect(box.sample(undefined).usage.memoryCurrentBytes).toBeUndefined();
    expect([...fake.open.values()].filter((path) => path.includes('/box/'))).toEqual([]);
  },
);
