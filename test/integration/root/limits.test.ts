import { afterAll, describe, expect, test } from 'vitest';
import { CloisterError, Host, Sandbox } from '../../../lib/index.js';

afterAll(() => Host.default.close());

const MIB = 2 ** 20;
const sh = (line: string): string[] => ['sh', '-c', line];
const python = (program: string): string[] => ['python3', '-c', program];
/** For what is to end by something else, however slow the machine. */
const PATIENCE = '4m';
const HOG = 'b = []\nwhile True: b.append(bytearray(1 << 20))';

describe('memory', () => {
  test('a hog is stopped with reason oom', async () => {
    const result = await Sandbox.run(python(HOG), { limits: { memory: '64MiB' }, timeout: PATIENCE });
    expect(result).toMatchObject({ reason: 'oom', signal: 'SIGKILL' });
    expect(result.usage.oomKills).toBeGreaterThan(0);
    expect(result.usage.memoryPeakBytes).toBeGreaterThan(48 * MIB);
    expect(result.usage.memoryPeakBytes).toBeLessThanOrEqual(64 * MIB);
  });

  test('the writable layer and /dev/shm count', async () => {
    const result = await Sandbox.run(
      sh('dd if=/dev/zero of=/dev/shm/x bs=1M count=60 2>/dev/null; dd if=/dev/zero of=/tmp/x bs=1M count=60'),
      {
        limits: { memory: '64MiB', disk: '512MiB' },
        timeout: PATIENCE,
      },
    );
    expect(result.reason).toBe('oom');
  });

  test('a sandbox survives the command that used too much', async () => {
    await using box = await Sandbox.create({ limits: { memory: '64MiB' } });
    expect((await box.exec(python(HOG), { timeout: PATIENCE })).reason).toBe('oom');
    const after = await box.exec(['echo', 'fine']);
    expect(after).toMatchObject({ exitCode: 0, reason: 'exit', stdout: 'fine\n' });
    expect(after.usage.oomKills).toBe(0);
    expect(after.usage.memoryPeakBytes).toBeLessThan(16 * MIB);
  });
});

describe('pids', () => {
  test('a fork bomb is stopped with reason pids', async () => {
    const result = await Sandbox.run(sh('b() { b | b & }; b; sleep 1; exit 1'), {
      limits: { pids: 32 },
      timeout: PATIENCE,
    });
    expect(result.reason).toBe('pids');
    expect(result.usage.pidsLimitHits).toBeGreaterThan(0);
    expect(result.usage.pidsPeak).toBeLessThanOrEqual(32);
  });

  test('processes up to the limit are fine', async () => {
    const result = await Sandbox.run(sh('for i in 1 2 3 4 5; do sleep 0.2 & done; wait'), { limits: { pids: 16 } });
    expect(result).toMatchObject({ exitCode: 0, reason: 'exit' });
    expect(result.usage.pidsPeak).toBeGreaterThanOrEqual(6);
  });
});

test('a command for which no process is left names the limit', async () => {
  await using box = await Sandbox.create({ limits: { pids: 2 } });
  const running = [box.exec(['sleep', '600']), box.exec(['sleep', '600'])];
  for (const command of running) await command.started;
  await expect(box.exec(['true'])).rejects.toMatchObject({
    code: 'ERR_KERNEL',
    errno: 'EAGAIN',
    subject: 'limits.pids',
    hint: expect.stringContaining('box.update({ pids })') as string,
  });
  await box.update({ pids: 3 });
  expect((await box.exec(['true'])).exitCode).toBe(0);
});

describe('processor', () => {
  test('a busy loop is stopped with reason cpu', async () => {
    const result = await Sandbox.run(sh('while :; do :; done'), { limits: { cpuTime: '300ms' }, timeout: PATIENCE });
    expect(result.reason).toBe('cpu');
    const { cpuUserMs = 0, cpuSystemMs = 0 } = result.usage;
    expect(cpuUserMs + cpuSystemMs).toBeGreaterThanOrEqual(300);
  });

  test('the time of all its processes counts', async () => {
    const line = 'for i in 1 2 3; do (while :; do :; done) & done; wait';
    expect((await Sandbox.run(sh(line), { limits: { cpuTime: '300ms' }, timeout: PATIENCE })).reason).toBe('cpu');
  });

  test('throttling is measured', async () => {
    // Thirty times what one period of a tenth of a second allows.
    const result = await Sandbox.run(sh('while :; do :; done'), {
      limits: { cpus: 0.1, cpuTime: '300ms' },
      timeout: PATIENCE,
    });
    expect(result.reason).toBe('cpu');
    expect(result.usage.throttledMs).toBeGreaterThan(0);
  });

  test('cpuset', async () => {
    const { stdout } = await Sandbox.run(['grep', 'Cpus_allowed_list', '/proc/self/status'], {
      limits: { cpuset: '0' },
    });
    expect(stdout).toBe('Cpus_allowed_list:\t0\n');
  });
});

describe('wall clock', () => {
  test('the time limit ends every process, double forks and setsid included', async () => {
    await using box = await Sandbox.create();
    const result = await box.exec(sh('(setsid sh -c "sleep 600 & sleep 600" &); sleep 600'), { timeout: 300 });
    expect(result).toMatchObject({ reason: 'timeout', signal: 'SIGKILL', exitCode: undefined });
    expect(result.usage.wallMs).toBeGreaterThanOrEqual(300);
    expect(await box.processes()).toEqual([]);
  });

  test('a program that ignores every signal it can', async () => {
    const program =
      'import signal,time\nfor s in range(1,64):\n  try: signal.signal(s, signal.SIG_IGN)\n  except Exception: pass\ntime.sleep(600)';
    expect(await Sandbox.run(python(program), { timeout: '1s' })).toMatchObject({
      reason: 'timeout',
      signal: 'SIGKILL',
    });
  });
});

test('the writable layer has a quota', async () => {
  const result = await Sandbox.run(sh('dd if=/dev/zero of=/tmp/x bs=1M count=20'), { limits: { disk: '8MiB' } });
  expect(result.exitCode).not.toBe(0);
  expect(result.stderr).toContain('No space left on device');
});

test('open files', async () => {
  const result = await Sandbox.run(python('import os\nfor i in range(100): os.dup(0)'), { limits: { files: 32 } });
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toContain('Too many open files');
});

test('what a command read and wrote is its own', async () => {
  await using box = await Sandbox.create({ limits: { memory: '256MiB' } });
  const heavy = await box.exec(python('x = bytearray(100 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1'));
  const light = await box.exec(['true']);
  expect(heavy.usage.memoryPeakBytes).toBeGreaterThan(100 * MIB);
  expect(light.usage.memoryPeakBytes).toBeLessThan(20 * MIB);
  const { cpuUserMs = 0, cpuSystemMs = 0 } = heavy.usage;
  expect((light.usage.cpuUserMs ?? 0) + (light.usage.cpuSystemMs ?? 0)).toBeLessThan(cpuUserMs + cpuSystemMs);
});

describe('a limit that this host cannot enforce is an error that says why', () => {
  test.each([
    [{ cpuset: '4000' }, /cpuset/],
    [{ io: { readBps: '1MiB', device: '4095:1048575' } }, /io/],
  ])('%j', async (limits, about) => {
    const error: unknown = await Sandbox.run(['true'], { limits }).then(
      () => expect.unreachable(),
      (reason: unknown) => reason,
    );
    expect(CloisterError.is(error) && error.code).toBe('ERR_LIMIT_UNSUPPORTED');
    expect((error as Error).message).toMatch(about);
  });
});
