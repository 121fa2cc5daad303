import { afterAll, expect, test } from 'vitest';
import { Host, Sandbox, type SandboxProcess } from '../../../lib/index.js';

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
