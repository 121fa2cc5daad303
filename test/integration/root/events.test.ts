import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { Host, Sandbox, type HostEvent, type SandboxStats } from '../../../lib/index.js';

afterAll(() => Host.default.close());

const sh = (line: string): string[] => ['sh', '-c', line];

test('a life in events', async () => {
  const box = await Sandbox.create({ name: 'cloister-test-events' });
  const seen: string[] = [];
  for (const name of ['exec', 'exec-exit', 'paused', 'resumed', 'updated', 'stopped', 'removed'] as const) {
    box.on(name, (event) => {
      expect(event.sandbox).toBe(box.id);
      seen.push(name);
    });
  }
  await box.exec(sh('exit 3'));
  await box.pause();
  await box.resume();
  await box.update({ pids: 100 });
  await box.stop();
  await box.remove();
  expect(seen).toEqual(['exec', 'exec-exit', 'paused', 'resumed', 'updated', 'stopped', 'removed']);
});

test('exec-exit carries command, pid and result', async () => {
  await using box = await Sandbox.create();
  const ended = new Promise((resolve) => box.once('exec-exit', resolve));
  const command = box.exec(sh('exit 3'));
  const pid = await command.started;
  await command;
  expect(await ended).toMatchObject({ command: ['sh', '-c', 'exit 3'], pid, result: { exitCode: 3, reason: 'exit' } });
});

test('oom and pids-limit become events of the sandbox', async () => {
  await using box = await Sandbox.create({ limits: { memory: '64MiB', pids: 16 } });
  const seen: string[] = [];
  const both = new Promise<void>((resolve) => {
    const see = (name: string): void => {
      seen.push(name);
      if (new Set(seen).size === 2) resolve();
    };
    box.on('oom', ({ count }) => {
      expect(count).toBeGreaterThan(0);
      see('oom');
    });
    box.on('pids-limit', ({ count }) => {
      expect(count).toBeGreaterThan(0);
      see('pids-limit');
    });
  });
  await box.exec(['python3', '-c', 'b = []\nwhile True: b.append(bytearray(1 << 20))']);
  await box.exec(sh('for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do sleep 1 & done; wait'));
  await both;
});

test('throttling becomes an event', async () => {
  await using box = await Sandbox.create({ limits: { cpus: 0.1 } });
  const throttled = new Promise<{ ms: number; periods: number }>((resolve) => box.once('throttled', resolve));
  const busy = box.exec(sh('while :; do :; done'));
  const event = await throttled;
  expect(event.periods).toBeGreaterThan(0);
  expect(event.ms).toBeGreaterThan(0);
  busy.kill('SIGKILL');
  await busy;
});

test('the host tells about all of them', async () => {
  const events: HostEvent[] = [];
  const reading = (async () => {
    for await (const event of Host.default.events()) {
      events.push(event);
      if (events.filter(({ type }) => type === 'removed').length === 2) return;
    }
  })();
  const boxes = await Promise.all([Sandbox.create(), Sandbox.create()]);
  await boxes[0].exec(['true']);
  await Promise.all(boxes.map((box) => box.remove()));
  await reading;
  expect(events.filter(({ type }) => type === 'started')).toHaveLength(2);
  expect(events.filter(({ type, sandbox }) => type === 'exec-exit' && sandbox === boxes[0].id)).toHaveLength(1);
});

test('statistics', async () => {
  await using box = await Sandbox.create({ limits: { memory: '256MiB', pids: 50 } });
  const busy = box.exec([
    'python3',
    '-c',
    'x = bytearray(64 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint("ready", flush=True)\nwhile True: pass',
  ]);
  await new Promise((resolve) => busy.stdout?.once('data', resolve));
  const samples = [];
  for await (const sample of box.stats({ interval: 200 })) {
    samples.push(sample);
    if (samples.length === 4) break;
  }
  const last = samples.at(-1);
  const percents = samples.map(({ cpu }) => cpu.percent);
  // How much of a processor it gets is this machine's business; no more than there is, give or take a sample's edges.
  expect(Math.max(...percents)).toBeGreaterThan(1);
  expect(Math.max(...percents)).toBeLessThan(400);
  expect(last?.memory.bytes).toBeGreaterThan(60 * 2 ** 20);
  expect(last?.memory.peakBytes).toBeGreaterThanOrEqual(60 * 2 ** 20);
  expect(last?.memory.limitBytes).toBe(256 * 2 ** 20);
  // The one process of the command: neither limit nor count is about the sandbox's own init.
  expect(last?.pids).toMatchObject({ count: 1, limit: 50 });
  busy.kill('SIGKILL');
  await busy;
});

test('statistics see what happens between two quiet times', async () => {
  await using box = await Sandbox.create();
  const stats = box.stats({ interval: 20 });
  const take = async (): Promise<SandboxStats> => (await stats.next()).value as SandboxStats;
  // Until three in a row are alike: nothing runs.
  let quiet = await take();
  for (let same = 0; same < 3;) {
    const next = await take();
    same = next.cpu.userMs + next.cpu.systemMs === quiet.cpu.userMs + quiet.cpu.systemMs ? same + 1 : 0;
    quiet = next;
  }
  expect(quiet.pids.count).toBe(0);
  const program = 'import time\nx = b"x" * (32 << 20)\nprint("ready", flush=True)\ntime.sleep(600)';
  const sleeper = box.exec(['python3', '-c', program]);
  await new Promise((resolve) => sleeper.stdout?.once('data', resolve));
  const asleep = await take();
  expect(asleep.pids.count).toBe(1);
  expect(asleep.memory.bytes).toBeGreaterThan((quiet.memory.bytes ?? 0) + 30 * 2 ** 20);
  expect(asleep.cpu.userMs + asleep.cpu.systemMs).toBeGreaterThan(quiet.cpu.userMs + quiet.cpu.systemMs);
  sleeper.kill('SIGKILL');
  await sleeper;
  const after = await take();
  expect(after.pids.count).toBe(0);
  expect(after.memory.bytes).toBeLessThan((asleep.memory.bytes ?? 0) - 30 * 2 ** 20);
  await stats.return();
});

test('statistics end with the sandbox', async () => {
  const box = await Sandbox.create();
  const reading = (async () => {
    for await (const _ of box.stats({ interval: 50 }));
  })();
  await sleep(120);
  await box.remove();
  await reading;
});
