import { describe, expect, test } from 'vitest';
import { HOSTS, openHost, OWNER } from '../../support/cgroup-hosts.js';
import { rejection } from '../../support/rejection.js';

const V1 = (controller: string): string => `/cg/${controller}/cloister/${OWNER}/box`;
const V2 = `/cg/cloister/${OWNER}/box`;
const ACCOUNTING = ['memory', 'pids', 'cpuacct', 'blkio'];

/** A box with one command, and processes in both: 50 is init, 60 and 61 are the command's. */
function running(kind: 'v1' | 'v2') {
  const host = openHost(HOSTS[kind]);
  const box = host.manager.create({ pids: 10 }, { name: 'box' });
  const command = box.child();
  const enter = (below: string, pid: number): void => {
    if (kind === 'v2') host.fake.enter(`${V2}${below === '' ? '/init' : below}`, pid);
    else for (const name of ACCOUNTING) host.fake.enter(`${V1(name)}${below}`, pid);
  };
  enter('', 50);
  enter('/1', 60);
  enter('/1', 61);
  return { ...host, box, command, enter };
}

describe.each(['v1', 'v2'] as const)('on %s', (kind) => {
  test('who is inside', () => {
    const { box, command } = running(kind);
    expect(box.processes().sort()).toEqual([50, 60, 61]);
    expect(command.processes().sort()).toEqual([60, 61]);
  });

  test('to kill a command leaves the others', async () => {
    const { fake, box, command } = running(kind);
    await command.kill();
    expect(command.processes()).toEqual([]);
    expect(box.processes()).toEqual([50]);
    await command.kill();
    expect(fake.whereIs(60)).toEqual([]);
  });

  test('to kill the box ends all of them, also those of its commands', async () => {
    const { box } = running(kind);
    await box.kill();
    expect(box.processes()).toEqual([]);
  });

  test('a killed group’s own refusals of forks are not the program’s', async () => {
    const { fake, command } = running(kind);
    const events = kind === 'v1' ? `${V1('pids')}/1/pids.events` : `${V2}/1/pids.events`;
    fake.set(events, 'max 2\n');
    await command.kill();
    fake.set(events, 'max 9\n');
    expect(command.usage().pidsLimitHits).toBe(2);
  });

  test('freeze stops everybody, wherever they came from, and thaw lets them go', async () => {
    const { fake, box } = running(kind);
    await box.freeze();
    const state = (): string =>
      kind === 'v1' ? fake.text(`${V1('freezer')}/freezer.state`) : fake.text(`${V2}/cgroup.freeze`);
    expect(state()).toBe(kind === 'v1' ? 'FROZEN' : '1');
    if (kind === 'v1') expect([50, 60, 61].every((pid) => fake.whereIs(pid).includes(V1('freezer')))).toBe(true);
    await box.thaw();
    expect(state()).toBe(kind === 'v1' ? 'THAWED' : '0');
    await box.thaw();
  });

  test('what is frozen can be killed', async () => {
    const { box } = running(kind);
    await box.freeze();
    await box.kill();
    expect(box.processes()).toEqual([]);
  });

  test('a group goes when its last process has gone, a moment later, too', async () => {
    const { fake, box, command } = running(kind);
    await box.kill();
    await command.remove();
    await box.remove();
    expect(fake.groups().filter((path) => path.includes('box'))).toEqual([]);
    expect([...fake.open]).toEqual([]);
  });

  test('what is still busy is waited for', async () => {
    const { fake, manager, box, command } = running(kind);
    setTimeout(() => [50, 60, 61].forEach((pid) => fake.exit(pid)), 30);
    await command.remove();
    await box.remove();
    manager.dispose();
    expect(fake.groups()).toEqual([]);
  });
});

describe('what was used', () => {
  test('on v1 a box counts what its commands did, those that are gone included', async () => {
    const { fake, box, command } = running('v1');
    fake.set(`${V1('memory')}/1/memory.oom_control`, 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n');
    fake.set(`${V1('blkio')}/1/blkio.throttle.io_service_bytes`, '8:0 Read 10\n8:0 Write 20\n');
    fake.set(`${V1('blkio')}/blkio.throttle.io_service_bytes`, '8:0 Read 1\n8:0 Write 2\n');
    const expected = { oomKills: 2, ioReadBytes: 11, ioWriteBytes: 22 };
    expect(box.usage()).toMatchObject(expected);
    await command.kill();
    await command.remove();
    expect(box.usage()).toMatchObject(expected);
  });

  test('peaks that the kernel does not keep are the highest that was seen', () => {
    const withoutPeak = openHost(HOSTS.v1);
    const box = withoutPeak.manager.create({}, { name: 'box' });
    withoutPeak.fake.set(`${V1('pids')}/pids.peak`, '');
    for (const [current, peak] of [
      [3, 3],
      [7, 7],
      [2, 7],
    ] as const) {
      withoutPeak.fake.set(`${V1('pids')}/pids.current`, `${current}\n`);
      expect(box.usage().pidsPeak).toBe(peak);
    }
  });

  test('a group that vanished is unknown, no error', async () => {
    const { box } = running('v2');
    await box.kill();
    await box.remove();
    expect(box.usage().memoryCurrentBytes).toBeUndefined();
    expect(box.processes()).toEqual([]);
  });
});

test('a process that nothing ends: an error that names it, after ten seconds', async () => {
  const { fake, box } = running('v1');
  fake.immortal.add(60);
  const error = await rejection(box.kill());
  expect(error).toMatchObject({ code: 'ERR_KERNEL', errno: 'ETIMEDOUT' });
  expect(error.message).toContain('60');
}, 30_000);
