import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CloisterError, Host, Sandbox } from '../../../lib/index.js';
import { cgroupsOf, expectNoMoreThan, footprint, launcherOf, type Footprint } from '../../support/footprint.js';
import { repetitions } from '../../support/repetitions.js';

const scratch = mkdtempSync('/var/tmp/cloister-leaks-');
const host = new Host({ root: join(scratch, 'root'), stateDir: join(scratch, 'state') });
const sh = (line: string): string[] => ['sh', '-c', line];

let before: Footprint;
let files: string[];
const listFiles = (): string[] => (readdirSync(scratch, { recursive: true }) as string[]).sort();

/** Concurrent starts make groups ahead, and the launcher keeps the id mappings that were used last: both stay for the next ones. */
beforeAll(async () => {
  await Promise.all(Array.from({ length: 120 }, () => Sandbox.run(['true'], { host })));
  // More at the same time than the launcher keeps mappings: no later test fills up what is free now.
  const boxes = await Promise.all(Array.from({ length: 40 }, () => Sandbox.create({ host })));
  await Promise.all(boxes.map((box) => box.remove()));
  await sleep(500);
  before = footprint();
  files = listFiles();
});

afterAll(async () => {
  await host.close();
  rmSync(scratch, { recursive: true });
});

const SIGNALS = ['SIGTERM', 'SIGKILL', 'SIGSEGV', 'SIGUSR1', 'SIGABRT'] as const;

/** A program with an end, and output, of its own. */
async function runNumber(i: number): Promise<void> {
  const text = `${i} `.repeat(i % 97);
  const signal = i % 5 === 0 ? SIGNALS[(i / 5) % SIGNALS.length] : undefined;
  const end = signal === undefined ? `exit ${i % 256}` : `kill -${signal.slice(3)} $$`;
  const result = await Sandbox.run(sh(`cat; echo e${i} >&2; ${end}`), { host, stdin: Buffer.from(text) });
  expect(result).toMatchObject({
    exitCode: signal === undefined ? i % 256 : undefined,
    signal,
    reason: signal === undefined ? 'exit' : 'signal',
    stdout: text,
    stderr: `e${i}\n`,
    truncated: false,
  });
}

test('ten thousand in a row', { timeout: 3_600_000 }, async () => {
  for (let i = 0; i < repetitions(10_000); i++) await runNumber(i);
  await expectNoMoreThan(before);
  expect(listFiles()).toEqual(files);
});

test('a thousand at the same time, in batches', async () => {
  const batch = 100;
  for (let done = 0; done < repetitions(1000, batch); done += batch) {
    await Promise.all(Array.from({ length: batch }, (_, i) => runNumber(done + i)));
  }
  await expectNoMoreThan(before);
  expect(listFiles()).toEqual(files);
});

test('a thousand commands in one sandbox', async () => {
  const box = await Sandbox.create({ host });
  await box.exec(['true']);
  const within = footprint();
  for (let i = 0; i < repetitions(1000); i++) {
    const { exitCode, stdout } = await box.exec(sh(`echo ${i}; exit ${i % 256}`));
    expect([exitCode, stdout]).toEqual([i % 256, `${i}\n`]);
  }
  await expectNoMoreThan(within);
  await box.remove();
  await expectNoMoreThan(before);
});

test('a hundred sandboxes made and removed, with what runs in them', async () => {
  for (let i = 0; i < repetitions(100); i++) {
    const box = await Sandbox.create({ host, name: `leak-${i}` });
    const command = box.exec(sh('(setsid sleep 600 &); sleep 600'), i % 2 === 0 ? {} : { tty: true });
    await command.started;
    if (i % 3 === 0) await box.pause();
    await box.remove();
    expect((await command).signal).toBe('SIGKILL');
  }
  await expectNoMoreThan(before);
  expect(listFiles()).toEqual(files);
});

test('starts that fail, wherever they do', async () => {
  const failing = [
    () => Sandbox.run(['no-such-program'], { host }),
    () => Sandbox.run(['/etc/passwd'], { host }),
    () => Sandbox.run(['true'], { host, cwd: '/no/such/directory' }),
    () => Sandbox.run(['true'], { host, user: 'nobody-knows' }),
    () => Sandbox.run(['true'], { host, limits: { io: { readBps: '1MiB', device: '4095:1048575' } } }),
    () => Sandbox.run(['true'], { host, rlimits: { nofile: 2 ** 40 } }),
    () => Sandbox.run(['true'], { host, image: { directory: '/proc/self' } }),
    () => Sandbox.create({ host, sysctls: { 'kernel.msgmax': 'nonsense' } }),
    () => Sandbox.create({ host, limits: { memory: 'lots' } }),
  ];
  for (let i = 0; i < repetitions(270, failing.length); i++) {
    const error: unknown = await failing[i % failing.length]?.().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(CloisterError.is(error), `case ${i % failing.length}: ${String(error)}`).toBe(true);
  }
  await expectNoMoreThan(before);
  expect(listFiles()).toEqual(files);
});

test('starts that are aborted at any moment', async () => {
  for (let i = 0; i < repetitions(300); i++) {
    const controller = new AbortController();
    const options = { host, signal: controller.signal };
    const made = i % 2 === 0 ? Sandbox.run(['sleep', '600'], options) : Sandbox.create(options);
    setTimeout(() => controller.abort(), (i % 40) / 2);
    const outcome: unknown = await made.then(
      (value) => value,
      (reason: unknown) => reason,
    );
    if (outcome instanceof Sandbox) await outcome.remove();
    else if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'ERR_ABORTED' });
    else expect(outcome).toMatchObject({ reason: 'abort' });
  }
  await expectNoMoreThan(before);
});

test('a host that is closed leaves nothing at all', async () => {
  const own = new Host({ root: join(scratch, 'own-root'), stateDir: join(scratch, 'own-state') });
  const without = footprint();
  const groups = cgroupsOf(process.pid).length;
  await Promise.all(Array.from({ length: 20 }, () => Sandbox.run(['true'], { host: own })));
  await Sandbox.create({ host: own, name: 'left-alive' });
  await own.close();
  await expect.poll(() => cgroupsOf(process.pid).length, { timeout: 60_000 }).toBe(groups);
  await expectNoMoreThan(without);
  expect(existsSync(`/proc/${launcherOf(process.pid) ?? ''}`)).toBe(true);
});
