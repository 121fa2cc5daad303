import { Readable } from 'node:stream';
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { CloisterError, Host, Sandbox } from '../../../lib/index.js';

afterAll(() => Host.default.close());

const sh = (line: string): string[] => ['sh', '-c', line];

/** The error that a promise rejects with; a test fails when it does not. */
async function rejection(promise: PromiseLike<unknown>): Promise<CloisterError> {
  const error: unknown = await promise.then(
    (value) => expect.unreachable(`resolved with ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (!CloisterError.is(error)) throw error;
  return error;
}

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

describe('output', () => {
  test('streams are kept apart', async () => {
    const result = await Sandbox.run(sh('echo out; echo err >&2'));
    expect(result).toMatchObject({ stdout: 'out\n', stderr: 'err\n' });
  });

  test('every byte arrives', async () => {
    const bytes = randomBytes(3 * 2 ** 20 + 17);
    const result = await Sandbox.run(['cat'], { stdin: bytes, encoding: 'buffer' });
    expect(result.exitCode).toBe(0);
    const hash = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');
    expect(result.stdout.length).toBe(bytes.length);
    expect(hash(result.stdout)).toBe(hash(bytes));
  });

  test('text that is cut inside a character by the pipe is whole', async () => {
    const text = 'häß€𝄞'.repeat(40_000);
    expect((await Sandbox.run(['cat'], { stdin: Buffer.from(text) })).stdout).toBe(text);
  });

  test('the cap ends the command while it runs', async () => {
    const result = await Sandbox.run(['yes'], { maxOutput: '64KiB', timeout: '60s' });
    expect(result).toMatchObject({ reason: 'output', truncated: true });
    expect(result.stdout.length).toBe(65_536);
    expect(result.stdout.startsWith('y\ny\n')).toBe(true);
  });

  test('the cap counts both streams; exactly that much is fine', async () => {
    const exact = await Sandbox.run(sh('printf 12345; printf 67890 >&2'), { maxOutput: 10 });
    expect(exact).toMatchObject({ exitCode: 0, reason: 'exit', truncated: false, stdout: '12345', stderr: '67890' });
    const more = await Sandbox.run(sh('printf 12345; printf 678901 >&2; sleep 30'), { maxOutput: 10 });
    expect(more).toMatchObject({ reason: 'output', truncated: true });
    expect(more.stdout.length + more.stderr.length).toBe(10);
  });

  test('a process that was left behind does not hold the result back', async () => {
    const result = await Sandbox.run(sh('echo done; setsid sleep 600 & exit 7'));
    expect(result).toMatchObject({ exitCode: 7, stdout: 'done\n' });
  });

  test('as streams and as one iterable', async () => {
    await using box = await Sandbox.create();
    const process = box.exec(sh('echo one; echo two >&2; echo three'));
    const seen = { stdout: '', stderr: '' };
    for await (const { stream, data } of process) seen[stream] += data.toString();
    expect(seen).toEqual({ stdout: 'one\nthree\n', stderr: 'two\n' });
    expect((await process).exitCode).toBe(0);
  });

  test('a reader that is slower than the program loses nothing', async () => {
    await using box = await Sandbox.create();
    const bytes = randomBytes(2 * 2 ** 20);
    const process = box.exec(['cat'], { stdin: bytes, encoding: 'buffer' });
    const seen: Buffer[] = [];
    for await (const { data } of process) {
      seen.push(data);
      if (seen.length < 20) await sleep(5);
    }
    expect(Buffer.concat(seen).equals(bytes)).toBe(true);
    expect(Buffer.from((await process).stdout).equals(bytes)).toBe(true);
  });

  test('the iterable of a command that cannot start throws its error', async () => {
    await using box = await Sandbox.create();
    const reading = (async () => {
      for await (const { data } of box.exec(['no-such-program'])) expect.unreachable(data.toString());
    })();
    expect((await rejection(reading)).code).toBe('ERR_COMMAND_NOT_FOUND');
  });

  test('capture: false leaves nothing to read', async () => {
    await using box = await Sandbox.create();
    const process = box.exec(sh('echo one; echo two >&2; [ -c /dev/fd/1 ]'), { capture: false });
    expect(process.stdout).toBeUndefined();
    expect(await process).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
  });
});

describe('stdin', () => {
  test('a text', async () => {
    expect((await Sandbox.run(['cat'], { stdin: 'hello' })).stdout).toBe('hello');
  });

  test('nothing: end of file at once', async () => {
    expect(await Sandbox.run(sh('cat; readlink /proc/self/fd/0'))).toMatchObject({
      exitCode: 0,
      stdout: '/dev/null\n',
    });
  });

  test('a stream', async () => {
    const stdin = Readable.from(['a', 'b', 'c'].map((text) => Buffer.from(text)));
    expect((await Sandbox.run(['cat'], { stdin })).stdout).toBe('abc');
  });

  test('a stream that fails ends the input and does not hang', async () => {
    const stdin = new Readable({ read: () => undefined });
    stdin.push('x');
    setTimeout(() => stdin.destroy(new Error('source broke')), 50);
    const result = await Sandbox.run(['cat'], { stdin, timeout: '30s' });
    expect(result.stdout).toBe('x');
  });

  test('a pipe', async () => {
    await using box = await Sandbox.create();
    const process = box.exec(sh('read x; echo got $x; cat'), { stdin: 'pipe' });
    process.stdin?.write('hi\n');
    process.stdin?.end('rest');
    expect((await process).stdout).toBe('got hi\nrest');
  });

  test('a program that does not read much input ends as it likes', async () => {
    expect(await Sandbox.run(['head', '-c', '3'], { stdin: Buffer.alloc(4 * 2 ** 20, 'x') })).toMatchObject({
      exitCode: 0,
      stdout: 'xxx',
    });
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
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 100);
    const result = await Sandbox.run(sh('echo begun; sleep 600'), { signal: controller.signal });
    expect(result).toMatchObject({ reason: 'abort', signal: 'SIGKILL', stdout: 'begun\n' });
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
