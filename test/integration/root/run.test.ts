import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { Host, Sandbox, Volume } from '../../../lib/index.js';
import { rejection } from '../../support/rejection.js';

afterAll(() => Host.default.close());

const sh = (line: string): string[] => ['sh', '-c', line];

describe('how it ended', () => {
  test.each([0, 1, 2, 42, 126, 127, 128, 137, 255])('exit code %i', async (code) => {
    const result = await Sandbox.run(sh(`exit ${code}`));
    expect(result).toMatchObject({
      exitCode: code,
      signal: undefined,
      reason: 'exit',
      stdout: '',
      stderr: '',
      truncated: false,
    });
  });

  test.each(['SIGTERM', 'SIGKILL', 'SIGSEGV', 'SIGABRT', 'SIGUSR1', 'SIGPIPE'])('signal %s', async (signal) => {
    const result = await Sandbox.run(sh(`kill -${signal.slice(3)} $$`));
    expect(result).toMatchObject({ exitCode: undefined, signal, reason: 'signal' });
  });

  test('a real-time signal has a name, too', async () => {
    const { signal, exitCode } = await Sandbox.run(sh('kill -36 $$'));
    expect(exitCode).toBeUndefined();
    expect(signal).toMatch(/^SIGRT|36/);
  });

  test('{ reject: true } throws the result', async () => {
    const error = await rejection(Sandbox.run(sh('echo why >&2; exit 3'), { reject: true }));
    expect(error.code).toBe('ERR_COMMAND_FAILED');
    expect(error.message).toContain('3');
  });
});

describe('typed errors instead of exit codes to guess from', () => {
  test('command not found', async () => {
    const error = await rejection(Sandbox.run(['no-such-program']));
    expect(error).toMatchObject({ code: 'ERR_COMMAND_NOT_FOUND', subject: 'no-such-program' });
  });

  test('command not found by path', async () => {
    const error = await rejection(Sandbox.run(['/usr/bin/no-such-program']));
    expect(error).toMatchObject({ code: 'ERR_COMMAND_NOT_FOUND', subject: '/usr/bin/no-such-program' });
  });

  test.each(['/etc/passwd', '/etc'])('not executable: %s', async (path) => {
    const error = await rejection(Sandbox.run([path]));
    expect(error).toMatchObject({ code: 'ERR_COMMAND_NOT_EXECUTABLE', subject: path });
  });

  test('a script whose interpreter is missing names the script', async () => {
    await using box = await Sandbox.create();
    await box.exec(sh('printf "#!/no/such/interpreter\\n" > /tmp/script; chmod +x /tmp/script'));
    const error = await rejection(box.exec(['/tmp/script']));
    expect(error.code).toMatch(/^ERR_COMMAND_NOT_/);
    expect(error.message).toContain('/tmp/script');
  });

  test.each(['/no/such/directory', '/etc/passwd'])('no such directory: %s', async (cwd) => {
    const error = await rejection(Sandbox.run(['true'], { cwd }));
    expect(error).toMatchObject({ code: 'ERR_CWD_NOT_FOUND', subject: cwd });
  });

  test.each(['nosuchuser', 'root:nosuchgroup'])('no such user: %s', async (user) => {
    const error = await rejection(Sandbox.run(['true'], { user }));
    expect(error.code).toBe('ERR_USER_NOT_FOUND');
    expect(error.message).toContain('nosuch');
  });

  test('they are the same in a living sandbox, which goes on', async () => {
    await using box = await Sandbox.create();
    expect((await rejection(box.exec(['nope']))).code).toBe('ERR_COMMAND_NOT_FOUND');
    expect((await rejection(box.exec(['true'], { cwd: '/nope' }))).code).toBe('ERR_CWD_NOT_FOUND');
    expect((await rejection(box.exec(['true'], { user: 'nope' }))).code).toBe('ERR_USER_NOT_FOUND');
    expect((await box.exec(['true'])).exitCode).toBe(0);
  });
});

describe('what a command runs with', () => {
  test('nothing of the application is passed on', async () => {
    process.env['CLOISTER_SECRET'] = 'secret';
    const { stdout } = await Sandbox.run(['env']);
    delete process.env['CLOISTER_SECRET'];
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split('=')[0])
        .sort(),
    ).toEqual(['HOME', 'PATH']);
  });

  test('environment of sandbox and command', async () => {
    await using box = await Sandbox.create({ env: { A: 'a', B: 'b' } });
    const { stdout } = await box.exec(sh('echo $A$B$C'), { env: { B: 'other', C: 'ü=c' } });
    expect(stdout).toBe('aotherü=c\n');
  });

  test('working directory and umask', async () => {
    expect((await Sandbox.run(sh('pwd; umask'), { cwd: '/usr/bin', umask: 0o077 })).stdout).toBe('/usr/bin\n0077\n');
  });

  test.each([
    [1000, '1000 1000 1000'],
    ['1000:50', '1000 50 50'],
    ['nobody', '65534 65534 65534'],
    ['nobody:50', '65534 50 50'],
    ['root', '0 0 0'],
    [{ uid: 5, gid: 6, groups: [7, 8] }, '5 6 6 7 8'],
  ])('user %j', async (user, expected) => {
    expect((await Sandbox.run(sh('echo $(id -u) $(id -G | sed "s/^/$(id -g) /")'), { user })).stdout.trim()).toBe(
      expected,
    );
  });

  test('rlimits', async () => {
    const options = { rlimits: { nofile: 64, core: 0, stack: { soft: 2 ** 20, hard: 2 ** 21 } } };
    const { stdout } = await Sandbox.run(['cat', '/proc/self/limits'], options);
    expect(stdout).toMatch(/Max open files +64 +64/);
    expect(stdout).toMatch(/Max stack size +1048576 +2097152/);
  });

  test('only descriptors 0, 1 and 2', async () => {
    const { stdout } = await Sandbox.run([
      'python3',
      '-c',
      'import os; print(sorted(map(int, os.listdir("/proc/self/fd")))[:-1])',
    ]);
    expect(stdout).toBe('[0, 1, 2]\n');
  });

  test('no signal is blocked or ignored', async () => {
    const { stdout } = await Sandbox.run(['grep', '-E', 'Sig(Blk|Ign)', '/proc/self/status']);
    expect(stdout).toBe('SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n');
  });
});

describe('abort', () => {
  test('while it runs', async () => {
    const directory = mkdtempSync('/var/tmp/cloister-test-');
    chmodSync(directory, 0o777);
    const controller = new AbortController();
    const running = Sandbox.run(sh('echo begun; touch /shared/begun; sleep 600'), {
      mounts: [Volume.bind(directory, '/shared')],
      signal: controller.signal,
    });
    while (!existsSync(join(directory, 'begun'))) await sleep(20);
    controller.abort();
    expect(await running).toMatchObject({ reason: 'abort', signal: 'SIGKILL', stdout: 'begun\n' });
    rmSync(directory, { recursive: true });
  });

  test('before the start nothing is made', async () => {
    const error = await rejection(Sandbox.run(['true'], { signal: AbortSignal.abort() }));
    expect(error.code).toBe('ERR_ABORTED');
  });

  test('a kill ends every process of the command', async () => {
    await using box = await Sandbox.create();
    const process = box.exec(sh('(setsid sh -c "sleep 600 & sleep 600" &) ; sleep 600'));
    await process.started;
    process.kill('SIGKILL');
    expect(await process).toMatchObject({ signal: 'SIGKILL' });
    expect(await box.processes()).toEqual([]);
  });

  test('a real-time signal, by the name that the result has', async () => {
    await using box = await Sandbox.create();
    for (const name of ['SIGRTMIN', 'SIGRTMIN+3', 'SIGRTMAX']) {
      const process = box.exec(['sleep', '600']);
      await process.started;
      process.kill(name);
      expect(await process).toMatchObject({ signal: name, reason: 'killed' });
    }
  });

  test.each([null, {}, 'SIGNO', 65, 9n])('%s is no signal', async (signal) => {
    const process = Sandbox.run(['sleep', '600'], { timeout: '30s' });
    await process.started;
    const kill = async (): Promise<void> => process.kill(signal as never);
    expect(await rejection(kill())).toMatchObject({ code: 'ERR_INVALID_OPTION', subject: 'signal' });
    process.kill('SIGKILL');
    expect(await process).toMatchObject({ reason: 'killed' });
  });

  test('SIGTERM goes to the program, which may answer', async () => {
    await using box = await Sandbox.create();
    const process = box.exec(sh('trap "echo bye; exit 5" TERM; echo ready; while :; do sleep 0.05; done'));
    for await (const { data } of process) if (data.toString().includes('ready')) process.kill('SIGTERM');
    expect(await process).toMatchObject({ exitCode: 5 });
  });
});

test('hundreds of concurrent commands, each with its own result', async () => {
  await using box = await Sandbox.create({ limits: { pids: 4096, memory: '2GiB' } });
  const results = await Promise.all(
    Array.from({ length: 300 }, (_, i) => box.exec(sh(`cat; exit ${i % 200}`), { stdin: `input ${i}` })),
  );
  results.forEach((result, i) => expect(result).toMatchObject({ exitCode: i % 200, stdout: `input ${i}` }));
});
