import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { CloisterError, Host, Sandbox } from '../../../lib/index.js';
import { cgroupsOf, descendantsOf, launcherOf } from '../../support/footprint.js';
import { repetitions } from '../../support/repetitions.js';

const APPLICATION = fileURLToPath(new URL('../../support/crash-app.mjs', import.meta.url));
const scratch = mkdtempSync('/var/tmp/cloister-crash-');
const root = join(scratch, 'root');
const stateDir = join(scratch, 'state');
const host = new Host({ root, stateDir });

const children: ChildProcess[] = [];

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await host.close();
  rmSync(scratch, { recursive: true });
});

let lastMarker = 31_536_000 + (process.pid % 1000) * 1000;

/** Processes on this machine that sleep for that unlikely time. */
function sleepers(marker: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(marker);
    } catch {
      return false;
    }
  });
}

/** Mounts of this namespace that are about our files. */
const ownMounts = (): string[] =>
  readFileSync('/proc/self/mountinfo', 'latin1')
    .split('\n')
    .filter((line) => line.includes(scratch));

interface Application {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly marker: string;
  readonly inits: readonly string[];
}

async function start(end: 'wait' | 'exit' | 'throw' | 'abort'): Promise<Application> {
  const marker = String(lastMarker++);
  const child = spawn(process.execPath, [APPLICATION, root, stateDir, marker, end], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.push(child);
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  expect(line).toContain('pid');
  const launcher = launcherOf(child.pid ?? 0);
  return {
    child,
    pid: child.pid ?? 0,
    marker,
    inits: launcher === undefined ? [] : [launcher, ...descendantsOf(launcher)],
  };
}

/** Nothing that ran for it is alive, and nothing on the machine stands for it. */
async function expectGone({ pid, marker, inits }: Pick<Application, 'pid' | 'marker' | 'inits'>): Promise<void> {
  const alive = (): string[] =>
    [...sleepers(marker), ...inits].filter((each) => {
      try {
        return readFileSync(`/proc/${each}/cmdline`, 'latin1') !== '';
      } catch {
        return false;
      }
    });
  await expect.poll(alive, { timeout: 60_000, interval: 50 }).toEqual([]);
  await expect.poll(() => cgroupsOf(pid), { timeout: 60_000, interval: 50 }).toEqual([]);
}

test('kill -9 of the application ends everything that it started', async () => {
  const application = await start('wait');
  expect(sleepers(application.marker).length).toBeGreaterThanOrEqual(10);
  expect(cgroupsOf(application.pid).length).toBeGreaterThan(0);
  process.kill(application.pid, 'SIGKILL');
  await expectGone(application);
  expect(ownMounts()).toEqual([]);
});

test.each(['exit', 'throw', 'abort'] as const)('so does its own end by %s', async (end) => {
  const application = await start(end);
  await expectGone(application);
});

test.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGSEGV'] as const)('so does %s', async (signal) => {
  const application = await start('wait');
  process.kill(application.pid, signal);
  await expectGone(application);
});

test('kill -9 at any moment', async () => {
  for (let i = 0; i < repetitions(40, 4); i++) {
    const marker = String(lastMarker++);
    const child = spawn(process.execPath, [APPLICATION, root, stateDir, marker, 'wait'], { stdio: 'ignore' });
    children.push(child);
    const pid = child.pid ?? 0;
    await sleep((i * 37) % 800);
    child.kill('SIGKILL');
    await expectGone({ pid, marker, inits: [] });
  }
});

test('what such applications had is free: ids, names, groups', async () => {
  const results = await Promise.all(Array.from({ length: 20 }, () => Sandbox.run(['id', '-u'], { host })));
  for (const { stdout } of results) expect(stdout).toBe('0\n');
  await host.sweep();
  const drafts = readdirSync(scratch, { recursive: true }).filter((name) => String(name).includes('draft'));
  expect(drafts).toEqual([]);
});

test('kill -9 of the launcher: typed errors, nothing is left, the next start works', async () => {
  const own = new Host({ root, stateDir });
  const known = launcherOf(process.pid);
  const box = await Sandbox.create({ host: own });
  const marker = String(lastMarker++);
  const command = box.exec(['sleep', marker]);
  const oneShot = Sandbox.run(['sleep', marker], { host: own });
  await Promise.all([command.started, oneShot.started]);
  const launcher = launchers().find((pid) => pid !== known) ?? '';
  const inits = descendantsOf(launcher);
  expect(inits.length).toBeGreaterThanOrEqual(4);
  process.kill(Number(launcher), 'SIGKILL');
  const ends: unknown[] = await Promise.all(
    [command, oneShot].map((each) =>
      each.then(
        (result) => result,
        (error: unknown) => error,
      ),
    ),
  );
  for (const end of ends) {
    if (CloisterError.is(end)) expect(end.code).toBe('ERR_LAUNCHER');
    else expect(end).toMatchObject({ signal: 'SIGKILL', reason: 'killed' });
  }
  await box.wait();
  await expectGone({ pid: -1, marker, inits });
  expect((await Sandbox.run(['echo', 'again'], { host: own })).stdout).toBe('again\n');
  await own.close();
});

function launchers(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      const isOurs = readFileSync(`/proc/${pid}/status`, 'latin1').includes(`PPid:\t${process.pid}\n`);
      return isOurs && readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith('cloister-launcher');
    } catch {
      return false;
    }
  });
}

test('two applications on the same directories do not disturb each other', async () => {
  const one = await start('wait');
  const other = await start('wait');
  process.kill(one.pid, 'SIGKILL');
  await expectGone(one);
  expect(sleepers(other.marker).length).toBeGreaterThanOrEqual(10);
  process.kill(other.pid, 'SIGKILL');
  await expectGone(other);
});
