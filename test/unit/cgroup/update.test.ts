import { describe, expect, test } from 'vitest';
import { HOSTS, openHost, OWNER } from '../../support/cgroup-hosts.js';
import { refusal } from '../../support/refusal.js';

const MIB = 2 ** 20;
const V1 = (controller: string): string => `/cg/${controller}/cloister/${OWNER}/box`;
const V2 = `/cg/cloister/${OWNER}/box`;

describe('limits of a group that lives', () => {
  test('only what changes is written', () => {
    const { fake, manager } = openHost(HOSTS.v1);
    const box = manager.create({ memoryBytes: 64 * MIB, swapBytes: 0, pids: 10 }, { name: 'box' });
    fake.writes.length = 0;
    box.update({ pids: 20 });
    box.update({ pids: 20 });
    box.update({});
    expect(fake.writes).toEqual([`${V1('pids')}/pids.max = 20`]);
  });

  test('a controller that was not asked for before gets a directory, and every process with it', () => {
    const { fake, manager } = openHost(HOSTS.v1);
    const box = manager.create({}, { name: 'box' });
    for (const pid of [70, 71]) fake.enter(V1('pids'), pid);
    box.update({ cpus: 0.5 });
    expect(fake.text(`${V1('cpu')}/cpu.cfs_quota_us`)).toBe('50000');
    expect(fake.whereIs(70)).toContain(V1('cpu'));
    expect(fake.whereIs(71)).toContain(V1('cpu'));
  });

  test('Infinity takes a limit away', () => {
    const { fake, manager } = openHost(HOSTS.v2);
    const box = manager.create({ memoryBytes: 64 * MIB, pids: 10, cpus: 1 }, { name: 'box' });
    box.update({ memoryBytes: Infinity, pids: Infinity, cpus: Infinity });
    expect(['memory.max', 'memory.high', 'pids.max', 'cpu.max'].map((file) => fake.text(`${V2}/${file}`))).toEqual([
      'max',
      'max',
      'max',
      'max 100000',
    ]);
  });

  test('rates of a disk keep those that were not named', () => {
    const { fake, manager } = openHost(HOSTS.v2);
    const box = manager.create({ io: { readBps: 5 } }, { name: 'box' });
    box.update({ io: { writeBps: 6 } });
    expect(fake.writes.filter((each) => each.startsWith(V2))).toContain(`${V2}/io.max = 8:0 wbps=6`);
    box.update({ io: { readBps: Infinity } });
    expect(fake.writes.at(-1)).toBe(`${V2}/io.max = 8:0 rbps=max`);
  });
});

describe('all or nothing', () => {
  test('one that is refused takes back the others', () => {
    const { fake, manager } = openHost(HOSTS.v1);
    const box = manager.create({ memoryBytes: 64 * MIB, swapBytes: 0, pids: 10 }, { name: 'box' });
    fake.refusals.set(`${V1('pids')}/pids.max`, 'EINVAL');
    const error = refusal(() => box.update({ memoryBytes: 32 * MIB, pids: 5 }));
    expect(error).toMatchObject({ code: 'ERR_LIMIT_UNSUPPORTED', subject: 'pids' });
    expect(fake.text(`${V1('memory')}/memory.limit_in_bytes`)).toBe(String(64 * MIB));
    fake.refusals.clear();
    // What is in force is what was: the same change is made in full now.
    box.update({ memoryBytes: 32 * MIB, pids: 5 });
    expect(fake.text(`${V1('memory')}/memory.memsw.limit_in_bytes`)).toBe(String(32 * MIB));
    expect(fake.text(`${V1('pids')}/pids.max`)).toBe('5');
  });

  test('one that was not limited before is unlimited again', () => {
    const { fake, manager } = openHost(HOSTS.v1);
    const box = manager.create({ pids: 10 }, { name: 'box' });
    fake.refusals.set('cpu.shares', 'EINVAL');
    expect(refusal(() => box.update({ cpus: 0.5, cpuWeight: 5 })).subject).toBe('cpuWeight');
    expect(fake.text(`${V1('cpu')}/cpu.cfs_quota_us`)).toBe('-1');
  });

  test('less memory than is in use: refused on v1 by the kernel, on v2 by us, and nobody is killed', () => {
    const v1 = openHost(HOSTS.v1);
    const onV1 = v1.manager.create({ memoryBytes: 64 * MIB }, { name: 'box' });
    v1.fake.refusals.set('memory.limit_in_bytes', 'EBUSY');
    const v2 = openHost(HOSTS.v2);
    const onV2 = v2.manager.create({ memoryBytes: 64 * MIB }, { name: 'box' });
    v2.fake.set(`${V2}/memory.current`, `${48 * MIB}\n`);
    for (const box of [onV1, onV2]) {
      expect(refusal(() => box.update({ memoryBytes: 32 * MIB }))).toMatchObject({
        code: 'ERR_KERNEL',
        errno: 'EBUSY',
      });
    }
    expect(['memory.max', 'memory.high'].map((file) => v2.fake.text(`${V2}/${file}`))).toEqual([
      String(64 * MIB),
      'max',
    ]);
    expect(v2.fake.writes).not.toContain(`${V2}/memory.max = ${32 * MIB}`);
  });

  test('a limit that this host has no controller for changes nothing', () => {
    const { fake, manager } = openHost(HOSTS.v1.filter(({ controllers }) => controllers[0] !== 'cpu'));
    const box = manager.create({ pids: 10 }, { name: 'box' });
    fake.writes.length = 0;
    const error = refusal(() => box.update({ pids: 5, cpus: 1 }));
    expect(error).toMatchObject({ code: 'ERR_LIMIT_UNSUPPORTED', subject: 'cpus' });
    expect(error.hint).toContain('cgroup_enable=cpu');
    expect(fake.writes).toEqual([]);
  });

  test('devices of v2 cannot change: programs stay', () => {
    const { manager } = openHost(HOSTS.v2, undefined, () => undefined);
    const box = manager.create({ devices: [] }, { name: 'box' });
    expect(refusal(() => box.update({ devices: [{ allow: true, type: 'a', access: 'rwm' }] })).subject).toBe('devices');
  });
});
