import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { CloisterError, Host, Sandbox, type HostEvent } from '../../../lib/index.js';
import { saw } from '../../support/attack.js';
import { programs } from '../../support/node-program.js';
import { rejection } from '../../support/rejection.js';
import { repetitions } from '../../support/repetitions.js';

const { run } = programs();

/** Nothing else happens in this application for that long. */
function block(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until;);
}

const ends = {
  timeout: () => undefined,
  abort: (_, controller) => controller.abort(),
  SIGKILL: (process) => process.kill('SIGKILL'),
  SIGTERM: (process) => process.kill('SIGTERM'),
} satisfies Record<string, (process: ReturnType<typeof Sandbox.run>, controller: AbortController) => void>;

test.each(Object.keys(ends) as (keyof typeof ends)[])(
  'a program that ended by itself before %s has its own result',
  async (end) => {
    const controller = new AbortController();
    const options = { signal: controller.signal, ...(end === 'timeout' ? { timeout: 1000 } : {}) };
    const process = Sandbox.run(['sh', '-c', 'echo precious; exit 3'], options);
    await process.started;
    block(1500);
    ends[end](process, controller);
    expect(await process).toMatchObject({ exitCode: 3, stdout: 'precious\n', reason: 'exit' });
  },
);

test('the same in a living sandbox', async () => {
  await using box = await Sandbox.create();
  const process = box.exec(['sh', '-c', 'echo precious; exit 5'], { timeout: 1000 });
  await process.started;
  block(1500);
  expect(await process).toMatchObject({ exitCode: 5, stdout: 'precious\n', reason: 'exit' });
});

test('a command that is killed when its sandbox is gone already', async () => {
  const box = await Sandbox.create();
  const process = box.exec(['sleep', '60']);
  await process.started;
  const removal = box.remove();
  process.kill('SIGKILL');
  expect(await process).toMatchObject({ signal: 'SIGKILL', reason: 'killed' });
  await removal;
});

test('what was heard of has run, however soon after that its sandbox goes', async () => {
  for (let i = 0; i < repetitions(100, 20); i++) {
    const box = await Sandbox.create();
    const process = box.exec(['sh', '-c', 'echo here; exec sleep 60']);
    // The program may be faster than init, which is to report that it runs.
    await saw(process, 'here');
    await box.remove();
    expect(await process).toMatchObject({ signal: 'SIGKILL', reason: 'killed', stdout: 'here\n' });
  }
});

test.each(['timeout', 'abort', 'SIGKILL'] as const)(
  '%s of one command in a paused sandbox leaves the others',
  async (end) => {
    await using box = await Sandbox.create();
    const other = box.exec(['sh', '-c', 'read x; echo got $x'], { stdin: 'pipe' });
    const controller = new AbortController();
    const one = box.exec(['sleep', '60'], {
      signal: controller.signal,
      ...(end === 'timeout' ? { timeout: 500 } : {}),
    });
    await Promise.all([other.started, one.started]);
    await box.pause();
    if (end === 'abort') controller.abort();
    if (end === 'SIGKILL') one.kill('SIGKILL');
    await sleep(4000);
    expect(box.state).toBe('paused');
    await box.resume();
    expect(await one).toMatchObject({ signal: 'SIGKILL', reason: end === 'SIGKILL' ? 'killed' : end });
    other.stdin?.end('it\n');
    expect(await other).toMatchObject({ stdout: 'got it\n', exitCode: 0 });
  },
);

test('to pause what is about to end: done or refused, at once', async () => {
  for (let i = 0; i < 30; i++) {
    const box = await Sandbox.create();
    box.exec(['sleep', '60']).catch(() => undefined);
    const removal = box.remove();
    const pausing = box.pause();
    await pausing.catch((error: unknown) => expect(error).toMatchObject({ code: 'ERR_SANDBOX_STATE' }));
    await removal;
    expect(box.state).toBe('removed');
  }
});

test('of several signals the one that it died of counts', async () => {
  const process = Sandbox.run(['sh', '-c', 'trap : USR1 CONT; echo ready; while :; do sleep 0.1; done']);
  await new Promise((resolve) => process.stdout?.once('data', resolve));
  process.kill('SIGTERM');
  process.kill('SIGCONT');
  expect(await process).toMatchObject({ signal: 'SIGTERM', reason: 'killed' });
});

test('SIGXCPU is a matter of limits only where there is one', async () => {
  const command = ['sh', '-c', 'kill -XCPU $$'];
  expect((await Sandbox.run(command)).reason).toBe('signal');
  expect((await Sandbox.run(command, { limits: { cpuTime: '10s' } })).reason).toBe('cpu');
});

test('a host tells of commands that have a sandbox of their own', async () => {
  const events: HostEvent[] = [];
  const reading = (async () => {
    for await (const event of Host.default.events()) {
      events.push(event);
      if (event.type === 'exec-exit') break;
    }
  })();
  const { reason } = await Sandbox.run(['python3', '-c', 'bytearray(200 << 20)'], { limits: { memory: '32MiB' } });
  await reading;
  expect(reason).toBe('oom');
  expect(events.map(({ type }) => type)).toEqual(['exec', 'oom', 'exec-exit']);
  expect(new Set(events.map(({ sandbox }) => sandbox)).size).toBe(1);
});

test('a listener that fails is the application’s own error, and nothing else', async () => {
  const { stdout, stderr, code } = await run(`
    let failures = 0;
    process.on('uncaughtException', (error) => { if (error.message === 'mine') failures++; else throw error; });
    const fail = () => { throw new Error('mine'); };
    const box = await Sandbox.create({ host, name: 'listened' });
    for (const name of ['exec', 'exec-exit', 'paused', 'resumed', 'stopped', 'removed']) box.on(name, fail);
    const first = await box.exec(['echo', 'one']);
    await box.pause();
    await box.resume();
    await box.remove();
    const again = await Sandbox.create({ host, name: 'listened' });
    const second = await again.exec(['echo', 'two']);
    const third = await Sandbox.run(['echo', 'three'], { host });
    await again.remove();
    console.log(first.stdout + second.stdout + third.stdout + failures);`);
  expect({ stdout, stderr, code }).toEqual({ stdout: 'one\ntwo\nthree\n6\n', stderr: '', code: 0 });
});

test('what is asked of a sandbox that is gone is an error of its state', async () => {
  const box = await Sandbox.create();
  await Promise.all([box.stop(), box.kill(), box.remove(), box.wait()]);
  expect(await rejection(Promise.resolve(box.exec(['true'])))).toBeInstanceOf(CloisterError);
  expect(await rejection(box.pause())).toMatchObject({ code: 'ERR_SANDBOX_STATE' });
});
