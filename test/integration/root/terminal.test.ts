import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterAll, describe, expect, test } from 'vitest';
import { Host, Sandbox, type ExecOptions, type SandboxProcess } from '../../../lib/index.js';
import { rejection } from '../../support/rejection.js';

afterAll(() => Host.default.close());

/** Collects what a terminal shows and waits for texts in it. */
class Screen {
  text = '';
  readonly #process: SandboxProcess;

  constructor(process: SandboxProcess) {
    this.#process = process;
    process.stdout?.on('data', (data: Buffer) => (this.text += data.toString()));
  }

  /** What appeared up to and with this text; the screen goes on after it. */
  async see(text: string): Promise<string> {
    while (!this.text.includes(text)) await new Promise((resolve) => this.#process.stdout?.once('data', resolve));
    const end = this.text.indexOf(text) + text.length;
    const seen = this.text.slice(0, end);
    this.text = this.text.slice(end);
    return seen;
  }

  type(keys: string): void {
    this.#process.stdin?.write(keys);
  }
}

test('the program has a controlling terminal of the size that was asked for', async () => {
  const result = await Sandbox.run(
    ['sh', '-c', 'tty; stty size; test -t 0 -a -t 1 -a -t 2 && echo tty > /dev/tty; echo $TERM'],
    {
      tty: { columns: 101, rows: 33 },
    },
  );
  expect(result).toMatchObject({ exitCode: 0, stderr: '' });
  expect(result.stdout).toMatch(/^\/dev\/pts\/\d+\r\n33 101\r\ntty\r\n\S+\r\n$/);
});

test('resize arrives as SIGWINCH', async () => {
  await using box = await Sandbox.create();
  const process = box.exec(['sh', '-c', 'trap "stty size; exit 0" WINCH; echo ready; while :; do sleep 0.05; done'], {
    tty: true,
  });
  const screen = new Screen(process);
  await screen.see('ready');
  process.resize({ columns: 132, rows: 43 });
  await screen.see('43 132');
  expect((await process).exitCode).toBe(0);
});

test('keys: interrupt, end of file, echo', async () => {
  await using box = await Sandbox.create();
  const process = box.exec(['sh', '-c', 'trap "echo interrupted" INT; echo ready; cat; cat; echo over'], { tty: true });
  const screen = new Screen(process);
  await screen.see('ready');
  screen.type('abc\n');
  expect(await screen.see('abc\r\nabc')).toContain('abc\r\nabc');
  screen.type('\x03');
  await screen.see('interrupted');
  screen.type('\x04');
  await screen.see('over');
  expect((await process).exitCode).toBe(0);
});

test('job control', async () => {
  await using box = await Sandbox.create();
  const process = box.exec(['bash', '--norc', '-i'], { tty: true, env: { PS1: '$ ' } });
  const screen = new Screen(process);
  await screen.see('$ ');
  screen.type('sleep 600\n');
  await screen.see('sleep 600\r\n');
  const isRunning = async (): Promise<boolean> => (await box.processes()).some(({ name }) => name === 'sleep');
  while (!(await isRunning()));
  screen.type('\x1a');
  await screen.see('Stopped');
  screen.type('bg\n');
  await screen.see('sleep 600 &');
  screen.type('jobs\n');
  await screen.see('Running');
  screen.type('kill %1; exit 9\n');
  expect(await process).toMatchObject({ exitCode: 9 });
});

test('a hang-up ends it', async () => {
  await using box = await Sandbox.create();
  const process = box.exec(['sleep', '600'], { tty: true });
  await process.started;
  process.kill('SIGHUP');
  expect(await process).toMatchObject({ signal: 'SIGHUP' });
});

describe('given input', () => {
  const lines = Array.from({ length: 3000 }, (_, i) => `line ${i}\n`).join('');

  test.each<[string, () => NonNullable<ExecOptions['stdin']>, string]>([
    ['a text', () => 'hello\n', 'hello\n'],
    ['bytes without a newline at the end', () => Buffer.from('hello'), 'hello'],
    ['nothing', () => '', ''],
    ['a stream', () => Readable.from(['he', 'llo\nyou', '\n']), 'hello\nyou\n'],
    ['more than a terminal holds', () => lines, lines],
  ])('is typed and ends: %s', async (_, stdin, expected) => {
    const options = { tty: true, stdin: stdin(), timeout: '30s' } as const;
    // What was typed before the program turned it off is echoed.
    const result = await Sandbox.run(['sh', '-c', 'stty -echo; cat > /tmp/in; echo read $(md5sum < /tmp/in)'], options);
    expect(result).toMatchObject({ exitCode: 0, reason: 'exit' });
    expect(result.stdout).toContain(`read ${createHash('md5').update(expected).digest('hex')} `);
  });

  test('ends a program that reads one line, and one that is typed at', async () => {
    expect(await Sandbox.run(['head', '-n1'], { tty: true, stdin: 'hello\n', timeout: '30s' })).toMatchObject({
      exitCode: 0,
      stdout: 'hello\r\nhello\r\n',
    });
    await using box = await Sandbox.create();
    const process = box.exec(['cat'], { tty: true, timeout: '30s' });
    process.stdin?.end('x');
    expect(await process).toMatchObject({ exitCode: 0, stdout: 'xx' });
    expect(process.stdin?.destroyed).toBe(true);
  });

  test('a stream that breaks off ends the command; one that is not needed any more is destroyed', async () => {
    const broken = new Error('source broke');
    const stdin = new Readable({ read: () => undefined });
    const running = Sandbox.run(['cat'], { tty: true, stdin, timeout: '30s' });
    await running.started;
    stdin.destroy(broken);
    expect(await rejection(running)).toMatchObject({ code: 'ERR_STDIN', cause: broken });
    const unread = new Readable({ read: () => undefined });
    expect((await Sandbox.run(['true'], { tty: true, stdin: unread })).exitCode).toBe(0);
    expect(unread.destroyed).toBe(true);
  });
});

test('the last of a long output arrives', async () => {
  const wanted = Array.from({ length: 30_000 }, (_, i) => `${i + 1}\r\n`).join('');
  for (let i = 0; i < 20; i++) {
    const { stdout } = await Sandbox.run(['sh', '-c', 'seq 1 30000 > /tmp/in; cat /tmp/in'], { tty: true });
    expect(stdout.length).toBe(wanted.length);
    expect(stdout).toBe(wanted);
  }
});

test.each(['all at once', 'bit by bit'])(
  'a program that does not read what is typed holds up nobody, %s',
  async (how) => {
    const keys = 'x'.repeat(99).concat('\n').repeat(10_000);
    const stdin = how === 'all at once' ? keys : Readable.from(keys.match(/.{1,5000}/gs) ?? []);
    const deaf = Sandbox.run(['sh', '-c', 'stty raw -echo; sleep 3600'], { tty: true, stdin });
    await deaf.started;
    for (let i = 0; i < 5; i++) expect((await Sandbox.run(['echo', 'here'])).stdout).toBe('here\n');
    deaf.kill('SIGKILL');
    expect((await deaf).reason).toBe('killed');
  },
);

test('what is typed arrives whole, however much it is', async () => {
  const keys = Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join('');
  const { stdout } = await Sandbox.run(['sh', '-c', 'stty -echo; exec wc -c'], { tty: true, stdin: keys });
  // What was typed before the echo was off stands before it.
  expect(stdout).toMatch(new RegExp(`${keys.length}\\s*$`));
});
