import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LIBRARY, preamble, programs } from '../../support/node-program.js';

/** How the library behaves in a Node process: what keeps it alive, what ends with it, threads, copies of the package. */
const { directory, run } = programs();

let lastMarker = 41_536_000 + (process.pid % 1000) * 1000;

/** Processes on this machine that sleep for that unlikely time. */
function sleepers(marker: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(marker);
    } catch {
      return false;
    }
  });
}

const expectGone = (marker: string): Promise<void> =>
  expect.poll(() => sleepers(marker), { timeout: 60_000, interval: 50 }).toEqual([]);

describe('a process ends by itself', () => {
  test.each([
    ['after importing the library', `console.log('end')`],
    ['after one command', `console.log((await Sandbox.run(['echo', 'end'], { host })).stdout)`],
    [
      'after a hundred at the same time',
      `await Promise.all(Array.from({ length: 100 }, () => Sandbox.run(['true'], { host }))); console.log('end')`,
    ],
    ['with a sandbox left open', `await Sandbox.create({ host }); console.log('end')`],
    [
      'with a paused sandbox left open',
      `const box = await Sandbox.create({ host }); await box.pause(); console.log('end')`,
    ],
    ['after a failed start', `await Sandbox.run(['nope'], { host }).catch(() => console.log('end'))`],
    [
      'with statistics that nobody reads on',
      `const box = await Sandbox.create({ host }); for await (const s of box.stats()) break; console.log('end')`,
    ],
    ['after the host was closed', `await Sandbox.run(['true'], { host }); await host.close(); console.log('end')`],
    [
      'with events that nobody reads on',
      `const events = host.events(); const box = await Sandbox.create({ host }); for await (const e of events) break;
       host.events(); console.log('end')`,
    ],
    [
      'with events that are still read when the host is closed',
      `const box = await Sandbox.create({ host }); const seen = [];
       (async () => { for await (const e of host.events()) seen.push(e.type);
         for await (const e of host.events()) seen.push('never'); console.log(seen.join() === 'stopped,removed' ? 'end' : seen) })();
       await host.close();`,
    ],
    ['after doctor and sweep', `await host.doctor(); await host.sweep(); console.log('end')`],
    [
      'with a server kept running in a sandbox',
      `const box = await Sandbox.create({ host });
       await box.exec(['sh', '-c', 'setsid sleep 600 >/dev/null 2>&1 &'], { keepDescendants: true }); console.log('end')`,
    ],
  ])('%s', async (_, source) => {
    const { code, signal, stdout, stderr } = await run(source);
    expect({ code, signal, stdout: stdout.trim(), stderr }).toEqual({
      code: 0,
      signal: null,
      stdout: 'end',
      stderr: '',
    });
  });
});

describe('a process stays', () => {
  const print = '.then((r) => console.log(r.stdout))';

  test.each([
    ['while a command runs', `Sandbox.run(['sh', '-c', 'sleep 1; echo end'], { host })${print}`],
    [
      'while a command of a living sandbox runs',
      `const box = await Sandbox.create({ host }); box.exec(['sh', '-c', 'sleep 1; echo end'])${print}`,
    ],
    ['while a sandbox is made', `Sandbox.create({ host }).then(() => console.log('end'))`],
    ['while one is removed', `Sandbox.create({ host }).then((box) => box.remove()).then(() => console.log('end'))`],
    [
      'while a sandbox is waited for',
      `const box = await Sandbox.create({ host }); setTimeout(() => box.kill(), 500); box.wait().then(() => console.log('end'))`,
    ],
    [
      'while statistics of an idle sandbox are read',
      `const box = await Sandbox.create({ host }); let n = 0;
       for await (const s of box.stats({ interval: 100 })) if (++n === 5) break; console.log('end')`,
    ],
    [
      'while events are waited for',
      `setTimeout(() => Sandbox.create({ host }), 500).unref();
       for await (const e of host.events()) break; console.log('end')`,
    ],
    [
      'while a command waits for its turn',
      `for (let i = 0; i < 40; i++) {
         Sandbox.run(['sh', '-c', 'sleep 0.2; echo end'], { host }).then((r) => i === 39 && console.log(r.stdout));
       }`,
    ],
  ])('%s', async (_, source) => {
    const { code, stdout, stderr } = await run(source);
    expect({ code, stdout: stdout.trim(), stderr }).toEqual({ code: 0, stdout: 'end', stderr: '' });
  });

  /** Who held the event loop before holds it at the next launcher, too; neither less nor more. */
  test('also after its launcher was killed, and it ends then', async () => {
    const source = `
import { readdirSync, readFileSync } from 'node:fs';
const isLauncher = (pid) => {
  try { return readFileSync('/proc/' + pid + '/status', 'latin1').includes('PPid:\\t' + process.pid + '\\n'); } catch { return false; }
};
for (let round = 0; round < 3; round++) {
  const box = await Sandbox.create({ host });
  const lost = [box.exec(['sleep', '600']), Sandbox.run(['sleep', '600'], { host })];
  await Promise.all(lost.map((each) => each.started));
  for (const pid of readdirSync('/proc').filter(isLauncher)) process.kill(Number(pid), 'SIGKILL');
  console.log((await Promise.allSettled(lost)).map((each) => each.reason?.code).join());
  await box.remove();
  console.log((await Sandbox.run(['sh', '-c', 'sleep 0.3; echo again'], { host })).stdout.trim());
}
Sandbox.run(['sh', '-c', 'sleep 1; echo end'], { host }).then((r) => console.log(r.stdout));`;
    const { code, stdout, stderr } = await run(source);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const round = ['ERR_LAUNCHER,ERR_LAUNCHER', 'again'];
    expect(stdout.trim().split('\n')).toEqual([...round, ...round, ...round, 'end']);
  });
});

test('what is left open when the process ends is gone', async () => {
  const marker = String(lastMarker++);
  const source = `
const box = await Sandbox.create({ host });
box.exec(['sh', '-c', '(setsid sleep ${marker} &); sleep ${marker}']).catch(() => undefined);
await box.exec(['true']);
process.exit(7);`;
  expect(await run(source)).toMatchObject({ code: 7, stderr: '' });
  await expectGone(marker);
});

describe('worker threads', () => {
  /** An expression that starts one. */
  const worker = (body: string): string => {
    const file = join(directory, `worker${lastMarker++}.mjs`);
    writeFileSync(file, `import { parentPort } from 'node:worker_threads';\n${preamble(directory)}\n${body}`);
    return `new Worker(${JSON.stringify(file)})`;
  };

  test('run sandboxes, beside each other and the main thread', async () => {
    const made = worker(`parentPort.postMessage((await Sandbox.run(['echo', 'of a thread'], { host })).stdout);`);
    const source = `
import { Worker } from 'node:worker_threads';
const one = () => new Promise((resolve, reject) => { const w = ${made}; w.on('message', resolve); w.on('error', reject); });
const main = Sandbox.run(['echo', 'of the process'], { host }).then((r) => r.stdout);
console.log((await Promise.all([one(), one(), one(), main])).map((text) => text.trim()).join());`;
    const stdout = 'of a thread,of a thread,of a thread,of the process\n';
    expect(await run(source)).toMatchObject({ code: 0, stdout, stderr: '' });
  });

  test('have sandboxes of their own ids', async () => {
    const body = `
const box = await Sandbox.create({ host });
parentPort.postMessage((await box.exec(['cat', '/proc/self/uid_map'])).stdout);
await new Promise((resolve) => parentPort.once('message', resolve));
parentPort.close();`;
    const source = `
import { Worker } from 'node:worker_threads';
const workers = [${worker(body)}, ${worker(body)}];
const box = await Sandbox.create({ host });
const maps = await Promise.all(workers.map((w) => new Promise((resolve) => w.once('message', resolve))));
maps.push((await box.exec(['cat', '/proc/self/uid_map'])).stdout);
console.log(new Set(maps.map((map) => map.trim().split(/ +/)[1])).size);
for (const w of workers) w.postMessage('end');`;
    expect(await run(source)).toMatchObject({ code: 0, stdout: '3\n', stderr: '' });
  });

  /** Nothing closes the control socket of a thread that is terminated: its launcher sees that nobody reads its reports. */
  test.each([
    ['worker.terminate()', '', 'w.terminate()'],
    ['process.exit() in the thread', 'process.exit();', `new Promise((resolve) => w.once('exit', resolve))`],
    ['an exception in the thread', `throw new Error('own');`, `new Promise((resolve) => w.once('exit', resolve))`],
  ])('what runs in one ends with it: %s', async (_, end, ended) => {
    const marker = String(lastMarker++);
    const body = `
const box = await Sandbox.create({ host });
const frozen = await Sandbox.create({ host });
const sleep = ['sleep', '${marker}'];
const commands = [box.exec(sleep), frozen.exec(sleep), Sandbox.run(sleep, { host })];
for (const command of commands) command.catch(() => undefined);
await Promise.all(commands.map((command) => command.started));
await frozen.pause();
parentPort.postMessage('ready');
await new Promise((resolve) => setTimeout(resolve, 100));
${end}`;
    const source = `
import { Worker } from 'node:worker_threads';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
const isSocket = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd).startsWith('socket:'); } catch { return false; } };
const sockets = () => readdirSync('/proc/self/fd').filter(isSocket).length;
await Sandbox.run(['true'], { host });
const before = sockets();
const runs = (pid) => { try { return readFileSync('/proc/' + pid + '/cmdline', 'latin1').includes('${marker}'); } catch { return false; } };
const count = () => readdirSync('/proc').filter(runs).length;
const w = ${worker(body)};
w.on('error', () => undefined);
const over = new Promise((resolve) => w.once('exit', resolve));
await new Promise((resolve) => w.once('message', resolve));
console.log(count());
await ${ended === 'w.terminate()' ? ended : 'over'};
for (let i = 0; i < 600 && count() > 0; i++) await new Promise((resolve) => setTimeout(resolve, 100));
console.log(count(), (await Sandbox.run(['echo', 'fine'], { host })).stdout.trim());
for (let i = 0; i < 600 && sockets() > before; i++) await new Promise((resolve) => setTimeout(resolve, 100));
// Another thread's, counted before, may have gone meanwhile.
console.log(Math.max(0, sockets() - before));`;
    expect(await run(source)).toMatchObject({ code: 0, stdout: '3\n0 fine\n0\n', stderr: '' });
    await expectGone(marker);
  });
});

test('two copies of the package in one process', async () => {
  const copy = join(directory, 'copy');
  const original = dirname(dirname(LIBRARY));
  cpSync(join(original, 'dist'), join(copy, 'dist'), { recursive: true });
  cpSync(join(original, 'package.json'), join(copy, 'package.json'));
  mkdirSync(join(copy, 'build'));
  for (const path of ['build/Release', 'node_modules']) symlinkSync(join(original, path), join(copy, path));
  const source = `
import { CloisterError } from ${JSON.stringify(LIBRARY)};
const other = await import(${JSON.stringify(join(copy, 'dist/index.js'))});
const otherHost = new other.Host({ root: host.root, stateDir: host.stateDir });
const boxes = [await Sandbox.create({ host }), await other.Sandbox.create({ host: otherHost })];
const maps = await Promise.all(boxes.map((box) => box.exec(['cat', '/proc/self/uid_map']).then((r) => r.stdout)));
console.log(maps[0] !== maps[1]);
const error = await other.Sandbox.run(['nope'], { host: otherHost }).catch((e) => e);
console.log(CloisterError.is(error), error instanceof CloisterError, error.code);
await boxes[0].remove();
console.log((await boxes[1].exec(['echo', 'alive'])).stdout.trim());
console.log(await Sandbox.run(['true'], { host: otherHost }).catch((e) => e.code));`;
  const stdout = 'true\ntrue false ERR_COMMAND_NOT_FOUND\nalive\nERR_INVALID_OPTION\n';
  expect(await run(source)).toMatchObject({ code: 0, stdout, stderr: '' });
});

test('several hosts in one process, and several processes, on the same directories', async () => {
  const source = `
const hosts = [host, new Host({ root: host.root, stateDir: host.stateDir })];
const boxes = await Promise.all(hosts.flatMap((each) => [Sandbox.create({ host: each }), Sandbox.create({ host: each })]));
const firstId = (box) => box.exec(['cat', '/proc/self/uid_map']).then((r) => r.stdout.trim().split(/ +/)[1]);
const ids = await Promise.all(boxes.map(firstId));
for (let i = 0; i < 20; i++) {
  const one = (each, n) => Sandbox.run(['sh', '-c', 'cat; exit ' + (i + n)], { host: each, stdin: 'text ' + i });
  (await Promise.all(hosts.map(one))).forEach((r, n) => {
    if (r.exitCode !== i + n || r.stdout !== 'text ' + i) throw new Error(JSON.stringify(r));
  });
}
await hosts[1].close();
console.log(ids.join(' '), (await boxes[0].exec(['echo', 'alive'])).stdout.trim());
await new Promise((resolve) => setTimeout(resolve, 3000));`;
  const outcomes = await Promise.all([run(source), run(source), run(source)]);
  const ids = outcomes.flatMap(({ code, stdout, stderr }) => {
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.trim()).toMatch(/ alive$/);
    return stdout.trim().split(' ').slice(0, -1);
  });
  expect(ids).toHaveLength(12);
});
