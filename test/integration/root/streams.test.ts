import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { Host, Sandbox, type SandboxProcess } from '../../../lib/index.js';
import { rejection } from '../../support/rejection.js';

afterAll(() => Host.default.close());

const sh = (line: string): string[] => ['sh', '-c', line];

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

  test('the iterable of a command whose output was read to its end, or iterated, ends at once', async () => {
    await using box = await Sandbox.create();
    const texts = async (process: SandboxProcess): Promise<string[]> => {
      const seen: string[] = [];
      for await (const { data } of process) seen.push(data.toString());
      return seen;
    };
    const iterated = box.exec(['echo', 'one']);
    expect(await texts(iterated)).toEqual(['one\n']);
    expect(await texts(iterated)).toEqual([]);
    const consumed = box.exec(sh('echo one; echo two >&2'));
    await Promise.all([text(consumed.stdout!), text(consumed.stderr!)]);
    expect(await texts(consumed)).toEqual([]);
    const finished = box.exec(['echo', 'one']);
    await finished;
    expect(await texts(finished)).toEqual(['one\n']);
    expect(await texts(finished)).toEqual([]);
  });

  test('leaving the loop takes nothing from other readers, and lets the program go on', async () => {
    await using box = await Sandbox.create();
    const size = 2 ** 20;
    const line = `echo first; read x; head -c ${size} /dev/zero; echo last >&2`;
    const shared = box.exec(sh(line), { stdin: 'pipe', encoding: 'buffer' });
    let seen = 0;
    shared.stdout!.on('data', (data: Buffer) => (seen += data.length));
    for await (const _ of shared) break;
    expect([shared.stdout!, shared.stderr!].map((each) => each.listenerCount('data'))).toEqual([1, 0]);
    shared.stdin?.end('go\n');
    expect((await shared).stdout.length).toBe(size + 6);
    if (!shared.stdout!.closed) await once(shared.stdout!, 'close');
    expect(seen).toBe(size + 6);

    const alone = box.exec(sh(line), { stdin: 'pipe', encoding: 'buffer' });
    for await (const _ of alone) break;
    alone.stdin?.end('go\n');
    expect((await alone).exitCode).toBe(0);
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

  test('a stream that fails ends the command, which rejects with the reason', async () => {
    const broken = new Error('source broke');
    const stdin = new Readable({ read: () => undefined });
    stdin.push('half');
    const running = Sandbox.run(sh('cat; echo complete'), { stdin, timeout: '30s' });
    await running.started;
    stdin.destroy(broken);
    expect(await rejection(running)).toMatchObject({ code: 'ERR_STDIN', subject: 'stdin', cause: broken });
  });

  test('so does one that fails before the start; what runs beside it goes on, and nothing is left', async () => {
    await using box = await Sandbox.create();
    const other = box.exec(['cat'], { stdin: 'pipe' });
    await other.started;
    const broken = new Error('source broke');
    const before = new Readable({ read: () => undefined }).destroy(broken);
    expect(await rejection(box.exec(['cat'], { stdin: before }))).toMatchObject({ code: 'ERR_STDIN', cause: broken });
    const during = new Readable({ read: () => undefined });
    const running = box.exec(sh('sleep 600 & cat'), { stdin: during });
    await running.started;
    during.destroy(broken);
    expect(await rejection(running)).toMatchObject({ code: 'ERR_STDIN' });
    await expect.poll(async () => (await box.processes()).map(({ name }) => name)).toEqual(['cat']);
    other.stdin?.end('still here');
    expect((await other).stdout).toBe('still here');
  });

  test('a stream that is destroyed before its end, at any time', async () => {
    const early = new Readable({ read: () => undefined }).destroy();
    const late = new Readable({ read: () => undefined });
    setTimeout(() => late.destroy(), 100);
    for (const stdin of [early, late]) {
      const error = await rejection(Sandbox.run(['cat'], { stdin, timeout: '30s' }));
      expect(error).toMatchObject({ code: 'ERR_STDIN', cause: { code: 'ERR_STREAM_PREMATURE_CLOSE' } });
    }
  });

  test('a stream of something else than texts and bytes', async () => {
    const error = await rejection(Sandbox.run(['cat'], { stdin: Readable.from(['text', { a: 1 }]) }));
    expect(error).toMatchObject({ code: 'ERR_STDIN', cause: { code: 'ERR_INVALID_OPTION', subject: 'stdin' } });
    expect(error.message).toContain('expected a stream of texts or bytes, got an object');
  });

  test('a stream that has ended before', async () => {
    const stdin = Readable.from([]);
    for await (const _ of stdin);
    expect(await Sandbox.run(['cat'], { stdin, timeout: '30s' })).toMatchObject({ exitCode: 0, stdout: '' });
  });

  test('a stream that nobody needs any more is destroyed, without an error', async () => {
    const endless = (): Readable => new Readable({ read: () => undefined });
    const stdin = endless();
    const errors: unknown[] = [];
    stdin.on('error', (error) => errors.push(error));
    expect(await Sandbox.run(['true'], { stdin })).toMatchObject({ exitCode: 0, reason: 'exit' });
    expect(stdin.destroyed).toBe(true);
    const unread = Readable.from(
      (function* () {
        for (;;) yield 'x'.repeat(65_536);
      })(),
    );
    const closed = await Sandbox.run(sh('exec 0<&-; sleep 0.3; echo end'), { stdin: unread });
    expect(closed).toMatchObject({ exitCode: 0, stdout: 'end\n' });
    expect(unread.destroyed).toBe(true);
    const never = endless();
    expect((await rejection(Sandbox.run(['no-such-program'], { stdin: never }))).code).toBe('ERR_COMMAND_NOT_FOUND');
    expect(never.destroyed).toBe(true);
    expect(errors).toEqual([]);
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
