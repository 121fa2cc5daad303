import { describe, expect, test } from 'vitest';
import type { CgroupLimits } from '../../../lib/cgroup/limits.js';
import { openCgroupManager } from '../../../lib/cgroup/open.js';
import { HOSTS, openHost, OWNER } from '../../support/cgroup-hosts.js';
import { FakeCgroupfs } from '../../support/fake-cgroupfs.js';
import { refusal } from '../../support/refusal.js';

const MIB = 2 ** 20;
const KINDS = ['v1', 'v2', 'hybrid'] as const;
const V1 = (controller: string): string => `/cg/${controller}/cloister/${OWNER}`;
const V2 = `/cg/cloister/${OWNER}`;

describe.each(KINDS)('on %s', (kind) => {
  test('nothing is left of a manager that made a group and gave it back', async () => {
    const { fake, manager } = openHost(HOSTS[kind]);
    expect(manager.kind).toBe(kind);
    const box = manager.create({ memoryBytes: 64 * MIB, swapBytes: 0, pids: 10, cpus: 1 });
    const command = box.child();
    await command.remove();
    await command.remove();
    await box.remove();
    await box.remove();
    manager.dispose();
    manager.dispose();
    expect(fake.groups()).toEqual([]);
    expect([...fake.open]).toEqual([]);
  });

  test('children go with their group', async () => {
    const { fake, manager } = openHost(HOSTS[kind]);
    const box = manager.create({});
    box.child();
    box.child({ pids: 3 });
    await box.remove();
    manager.dispose();
    expect(fake.groups()).toEqual([]);
    expect([...fake.open]).toEqual([]);
  });

  test('a refused write leaves nothing', () => {
    const { fake, manager } = openHost(HOSTS[kind]);
    const before = fake.groups();
    fake.refusals.set('pids.max', 'EINVAL');
    const error = refusal(() => manager.create({ memoryBytes: 64 * MIB, pids: 10 }));
    expect(error).toMatchObject({ code: 'ERR_LIMIT_UNSUPPORTED', subject: 'pids', errno: 'EINVAL' });
    expect(fake.groups()).toEqual(before);
    expect([...fake.open]).toEqual([]);
    manager.dispose();
  });

  test('any other errno is told as it is', () => {
    const { manager, fake } = openHost(HOSTS[kind]);
    fake.refusals.set('pids.max', 'EACCES');
    expect(refusal(() => manager.create({ pids: 10 }))).toMatchObject({ code: 'ERR_KERNEL', errno: 'EACCES' });
    manager.dispose();
  });

  test('names', () => {
    const { manager } = openHost(HOSTS[kind]);
    expect(manager.create({}, { name: 'mine' }).name).toBe('mine');
    expect(refusal(() => manager.create({}, { name: 'mine' })).code).toBe('ERR_NAME_IN_USE');
    for (const name of ['', '.', '..', 'a/b', '_1', '-x', 'cgroup.procs', 'x'.repeat(65)]) {
      expect(refusal(() => manager.create({}, { name })).code).toBe('ERR_INVALID_OPTION');
    }
    manager.dispose();
  });

  test('a command’s group has none below, and a manager that was disposed of makes none', () => {
    const { manager } = openHost(HOSTS[kind]);
    const command = manager.create({}, { role: 'command' });
    expect(refusal(() => command.child()).code).toBe('ERR_SANDBOX_STATE');
    manager.dispose();
    expect(refusal(() => manager.create({})).code).toBe('ERR_SANDBOX_STATE');
  });

  test('its directories are below one per hierarchy, named for the owner', () => {
    const { fake, manager } = openHost(HOSTS[kind]);
    manager.create({ cpus: 1, cpuset: '0', io: { readBps: 5 } });
    const owners = manager.ownerDirectories();
    expect(owners).toHaveLength(HOSTS[kind].length);
    for (const path of fake.groups()) {
      expect(owners.some((owner) => path.startsWith(owner) || owner.startsWith(path))).toBe(true);
    }
    manager.dispose();
  });
});

test('a directory is told before it is made, so that somebody else knows of it from the first moment', () => {
  const fake = new FakeCgroupfs(HOSTS.hybrid);
  const told: string[] = [];
  const adopt = (path: string): void => {
    expect(fake.groups()).not.toContain(path);
    told.push(path);
  };
  const manager = openCgroupManager({ host: fake.host(), owner: OWNER, adopt });
  expect(told).toEqual(manager.ownerDirectories());
  expect(fake.groups()).toEqual(expect.arrayContaining(told));
  manager.dispose();
});

describe('what is written', () => {
  const limits: CgroupLimits = { memoryBytes: 64 * MIB, swapBytes: 0, pids: 10, cpus: 0.5, cpuset: '0' };

  test('on v1', () => {
    const { fake, manager } = openHost(HOSTS.v1);
    const { entry } = manager.create(limits, { name: 'box' });
    expect(fake.text(`${V1('memory')}/box/memory.memsw.limit_in_bytes`)).toBe(String(64 * MIB));
    expect(fake.text(`${V1('pids')}/box/pids.max`)).toBe('10');
    expect(fake.text(`${V1('cpu')}/box/cpu.cfs_quota_us`)).toBe('50000');
    expect(fake.text(`${V1('cpuset')}/box/cpuset.cpus`)).toBe('0');
    // Accounting, and what was asked for: devices and freezer are not free.
    expect(fake.groups().filter((path) => path.endsWith('/box'))).toHaveLength(6);
    expect(entry.directory).toBeUndefined();
    expect(entry.tasks.map((fd) => fake.open.get(fd))).toContain(`${V1('pids')}/box/tasks`);
    expect(entry.tasks).toHaveLength(6);
  });

  test('on v2: the first process goes into a group of its own', () => {
    const { fake, manager } = openHost(HOSTS.v2);
    const { entry } = manager.create(limits, { name: 'box' });
    expect(fake.text(`${V2}/box/memory.max`)).toBe(String(64 * MIB));
    expect(fake.text(`${V2}/box/cpu.max`)).toBe('50000 100000');
    expect(fake.text(`${V2}/box/cgroup.subtree_control`)).toBe('memory pids io');
    expect(entry.tasks).toEqual([]);
    expect(fake.open.get(entry.directory ?? -1)).toBe(`${V2}/box/init`);
  });

  test('a command repeats the pids limit of its sandbox less init, where the kernel counts by whose limit it was', () => {
    const { fake, manager } = openHost(HOSTS.v2);
    const box = manager.create({ pids: 10 }, { name: 'box' });
    box.child();
    box.child({ pids: 3 });
    expect([fake.text(`${V2}/box/1/pids.max`), fake.text(`${V2}/box/2/pids.max`)]).toEqual(['9', '3']);
    box.update({ pids: 20 });
    expect([fake.text(`${V2}/box/1/pids.max`), fake.text(`${V2}/box/2/pids.max`)]).toEqual(['19', '3']);
  });

  test('what only a command needs is passed on to it first', () => {
    const { fake, manager } = openHost(HOSTS.v2);
    const box = manager.create({}, { name: 'box' });
    expect(fake.text(`${V2}/box/cgroup.subtree_control`)).not.toContain('cpu');
    box.child({ cpus: 1 });
    expect(fake.text(`${V2}/box/1/cpu.max`)).toBe('100000 100000');
  });

  test('the user of the sandbox may move processes in, and nothing else', () => {
    const { fake, manager } = openHost(HOSTS.v2);
    const box = manager.create({}, { name: 'box', delegateUid: 5000 });
    box.child();
    expect([...fake.owners]).toEqual([
      [`${V2}/box/cgroup.procs`, 5000],
      [`${V2}/box/1/cgroup.procs`, 5000],
    ]);
  });

  test('v2 has no device list but a program', () => {
    const attached: [string | undefined, number][] = [];
    const { fake, manager } = openHost(HOSTS.v2, undefined, (fd, program) =>
      attached.push([fake.open.get(fd), program.length]),
    );
    manager.create({ devices: [{ allow: false, type: 'a', access: 'rwm' }] }, { name: 'box' });
    expect(attached).toEqual([[`${V2}/box`, 8 * 8]]);
    expect([...fake.open.values()]).not.toContain(`${V2}/box`);
  });

  test('a program that the kernel refuses leaves nothing', () => {
    const { fake, manager } = openHost(HOSTS.v2, undefined, () => {
      throw new Error('refused');
    });
    const before = fake.groups();
    expect(() => manager.create({ devices: [] })).toThrow('refused');
    expect(fake.groups()).toEqual(before);
    expect([...fake.open]).toEqual([]);
  });

  test('limits of a child without end come from its own stock, too', async () => {
    const { fake, manager } = openHost(HOSTS.v1);
    const box = manager.create({}, { name: 'box' });
    box.child({ pids: Infinity });
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    const max = fake
      .groups()
      .filter((path) => path.startsWith(`${V1('pids')}/box/`))
      .map((path) => fake.text(`${path}/pids.max`));
    expect(max.length).toBeGreaterThan(1);
    expect(new Set(max)).toEqual(new Set(['max']));
    await box.remove();
  });
});
