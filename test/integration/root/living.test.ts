import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { Host, Sandbox } from '../../../lib/index.js';

afterAll(() => Host.default.close());

const sh = (line: string): string[] => ['sh', '-c', line];
const TICKER = 'i=0; while :; do i=$((i+1)); echo $i > /tmp/ticks; sleep 0.02; done';

/** Until the condition holds; the time limit of the test is the limit. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(10);
}

test('files and processes live as long as the sandbox', async () => {
  await using box = await Sandbox.create();
  expect(box.state).toBe('running');
  await box.exec(sh('echo 42 > /tmp/answer'));
  expect((await box.exec(['cat', '/tmp/answer'])).stdout).toBe('42\n');
});

test('names: taken once, found, free again', async () => {
  const box = await Sandbox.create({ name: 'cloister-test-name', labels: { team: 'a' } });
  expect(Sandbox.get('cloister-test-name')).toBe(box);
  expect(Sandbox.get(box.id)).toBe(box);
  expect(Sandbox.list({ labels: { team: 'a' } })).toEqual([box]);
  expect(Sandbox.list({ labels: { team: 'b' } })).toEqual([]);
  await expect(Sandbox.create({ name: 'cloister-test-name' })).rejects.toMatchObject({ code: 'ERR_NAME_IN_USE' });
  await box.remove();
  expect(Sandbox.get('cloister-test-name')).toBeUndefined();
  const again = await Sandbox.create({ name: 'cloister-test-name' });
  await again.remove();
});

test('getOrCreate gives concurrent callers the same one', async () => {
  const options = { name: 'cloister-test-shared' };
  const boxes = await Promise.all([1, 2, 3].map(() => Sandbox.getOrCreate(options)));
  expect(new Set(boxes).size).toBe(1);
  expect(await Sandbox.getOrCreate(options)).toBe(boxes[0]);
  await boxes[0]?.remove();
});

test('pause stops every process, resume lets them go on', async () => {
  await using box = await Sandbox.create();
  const ticker = box.exec(sh(TICKER));
  const ticks = async (): Promise<number> => Number((await box.exec(['cat', '/tmp/ticks'])).stdout);
  await until(async () => (await ticks()) > 2);
  await box.pause();
  expect(box.state).toBe('paused');
  await expect(box.exec(['true'])).rejects.toMatchObject({ code: 'ERR_SANDBOX_STATE' });
  const states = async (): Promise<string[]> => (await box.processes()).map(({ state }) => state);
  const before = await states();
  expect(before.length).toBeGreaterThan(0);
  await box.resume();
  const then = await ticks();
  await until(async () => (await ticks()) > then);
  ticker.kill('SIGKILL');
  expect((await ticker).signal).toBe('SIGKILL');
});

test('a paused sandbox can be killed and removed', async () => {
  const box = await Sandbox.create();
  const command = box.exec(['sleep', '600']);
  await command.started;
  await box.pause();
  await box.remove();
  expect(await command).toMatchObject({ signal: 'SIGKILL', reason: 'killed' });
  expect(box.state).toBe('removed');
});

describe('update', () => {
  test('a lower memory limit holds', async () => {
    await using box = await Sandbox.create({ limits: { memory: '512MiB' } });
    const hog = ['python3', '-c', 'x = bytearray(100 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1'];
    expect((await box.exec(hog)).exitCode).toBe(0);
    await box.update({ memory: '48MiB' });
    expect((await box.exec(hog)).reason).toBe('oom');
    await box.update({ memory: Infinity });
    expect((await box.exec(hog)).exitCode).toBe(0);
  });

  test('pids and processors', async () => {
    await using box = await Sandbox.create();
    await box.update({ pids: 8, cpus: 0.5, cpuset: '0' });
    const result = await box.exec(
      sh('grep Cpus_allowed_list /proc/self/status; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 2 & done; wait'),
    );
    expect(result.stdout).toBe('Cpus_allowed_list:\t0\n');
    expect(result.reason).toBe('pids');
  });

  test('nothing changes when one of them is wrong', async () => {
    await using box = await Sandbox.create({ limits: { pids: 64 } });
    await expect(box.update({ pids: 4, memory: 'lots' })).rejects.toMatchObject({ subject: 'limits.memory' });
    await expect(box.update({ pids: 4, cpuset: '4000' })).rejects.toMatchObject({ code: 'ERR_LIMIT_UNSUPPORTED' });
    expect((await box.exec(sh('for i in 1 2 3 4 5 6; do sleep 0.1 & done; wait'))).reason).toBe('exit');
  });
});

test('stop asks first', async () => {
  const box = await Sandbox.create();
  const polite = box.exec(sh('trap "echo bye; exit 4" TERM; echo ready; while :; do sleep 0.05; done'));
  const stubborn = box.exec(sh('trap "" TERM; echo ready; while :; do sleep 0.05; done'));
  const ready = async (p: typeof polite): Promise<void> =>
    await new Promise((resolve) => p.stdout?.once('data', resolve));
  await Promise.all([ready(polite), ready(stubborn)]);
  polite.stdout?.resume();
  stubborn.stdout?.resume();
  await box.stop({ timeout: '2s' });
  expect(box.state).toBe('stopped');
  expect(await polite).toMatchObject({ exitCode: 4 });
  expect(await stubborn).toMatchObject({ signal: 'SIGKILL', reason: 'killed' });
  await box.remove();
});

test('wait resolves when it has ended', async () => {
  const box = await Sandbox.create();
  let hasEnded = false;
  const ended = box.wait().then(() => (hasEnded = true));
  await box.exec(['true']);
  expect(hasEnded).toBe(false);
  await box.kill();
  await ended;
  expect(box.state).toBe('stopped');
  await box.remove();
});

test('removing twice is fine, at the same time, too', async () => {
  const box = await Sandbox.create();
  await Promise.all([box.remove(), box.remove()]);
  await box.remove();
  expect(box.state).toBe('removed');
  await expect(box.exec(['true'])).rejects.toMatchObject({ code: 'ERR_SANDBOX_STATE' });
});

test('await using removes it', async () => {
  let box: Sandbox;
  {
    await using inner = await Sandbox.create();
    box = inner;
  }
  expect(box.state).toBe('removed');
});

test('processes() lists what runs inside, by its pids there and on the host', async () => {
  await using box = await Sandbox.create();
  const command = box.exec(['sleep', '600']);
  const pid = await command.started;
  const [info, ...others] = await box.processes();
  expect(others).toEqual([]);
  expect(info).toMatchObject({ pid, parentPid: 1, name: 'sleep', threads: 1 });
  expect(readFileSync(`/proc/${info?.hostPid ?? 0}/cmdline`, 'utf8')).toBe('sleep\x00600\x00');
  command.kill('SIGKILL');
  await command;
});

test('when a command ends, its descendants end, and those of others do not', async () => {
  await using box = await Sandbox.create();
  const other = box.exec(['sleep', '600']);
  await other.started;
  await box.exec(sh('setsid sleep 500 & setsid sleep 501 & exit 0'));
  expect((await box.processes()).map(({ pid }) => pid)).toEqual([other.pid]);
  other.kill('SIGKILL');
  await other;
});

test('keepDescendants leaves a server running', async () => {
  await using box = await Sandbox.create();
  const result = await box.exec(sh('setsid sleep 500 >/dev/null 2>&1 & echo started'), { keepDescendants: true });
  expect(result).toMatchObject({ exitCode: 0, stdout: 'started\n' });
  await expect.poll(async () => (await box.processes()).map(({ name }) => name)).toEqual(['sleep']);
});

test('an abort signal removes the sandbox', async () => {
  const controller = new AbortController();
  const box = await Sandbox.create({ signal: controller.signal });
  const command = box.exec(['sleep', '600']);
  await command.started;
  controller.abort();
  expect((await command).reason).toBe('killed');
  await until(() => box.state === 'removed');
});
