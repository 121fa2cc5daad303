import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Sandbox, Volume, type SandboxOptions } from '../../lib/index.js';
import { compile, makeLab, saw } from '../support/attack.js';

/**
 * A sandbox takes all it gets of one thing and keeps it. The host and another sandbox must go on as if nothing had happened.
 */
const lab = makeLab();
const program = compile(lab, 'exhaust');
const MIB = 2 ** 20;
const PAGE = 4096;

const { EMFILE, EAGAIN, ENOBUFS, ENOSPC, EDQUOT, EPERM } = constants.errno;

function box(options: SandboxOptions = {}): Promise<Sandbox> {
  return Sandbox.create({ mounts: [Volume.bind(dirname(program), '/attack', { readonly: true })], ...options });
}

const exhaust = (kind: string, most: number, processes?: number): string[] => {
  const rest = processes === undefined ? [] : [String(processes)];
  return ['/attack/exhaust', kind, String(most), ...rest];
};

/** What a process of the host gets now. */
function onHost(kind: string, most: number): { got: number; errno: number } {
  const [got, errno] = execFileSync(program, [kind, String(most)], { encoding: 'utf8' })
    .split(' ')
    .map(Number);
  return { got: got ?? 0, errno: errno ?? 0 };
}

const hostFile = (path: string): string => readFileSync(path, 'latin1');
const openFilesOfHost = (): number => Number(hostFile('/proc/sys/fs/file-nr').split('\t')[0]);
const tcpBytesOfHost = (): number => Number(/^TCP:.* mem (\d+)/m.exec(hostFile('/proc/net/sockstat'))?.[1]) * PAGE;

/** Accounts that the kernel keeps per user: another sandbox and the host have their own. */
describe.each([
  { kind: 'inotify', name: 'inotify instances', most: 1_000_000, errno: EMFILE },
  { kind: 'queue', name: 'message queues', most: 1_000_000, errno: EMFILE },
  { kind: 'signal', name: 'pending signals', most: 10_000_000, errno: EAGAIN },
  { kind: 'timer', name: 'timers', most: 10_000_000, errno: EAGAIN },
  { kind: 'terminal', name: 'terminals', most: 1_000_000, errno: ENOSPC },
])('$name', ({ kind, most, errno }) => {
  test('are limited, and nobody else feels it', async () => {
    await using greedy = await box();
    await using other = await box();
    const holder = greedy.exec(exhaust(kind, most, 1), { rlimits: { nofile: 4000 } });
    const [got, why] = (await saw(holder, '\n')).trim().split(' ').map(Number);
    expect(why).toBe(errno);
    expect(got).toBeLessThan(most);
    expect(onHost(kind, 1)).toEqual({ got: 1, errno: 0 });
    const modest = await other.exec(exhaust(kind, Math.min(got ?? 0, 200)), { rlimits: { nofile: 4000 } });
    expect(modest.stdout.trim()).toBe(`${Math.min(got ?? 0, 200)} 0`);
  });
});

test('open files: one sandbox gets a quarter of what the host has, at most', async () => {
  const before = openFilesOfHost();
  const most = Number(hostFile('/proc/sys/fs/file-max'));
  await using greedy = await box();
  const holder = greedy.exec(exhaust('file', 1_000_000, 230));
  let lines = '';
  holder.stdout?.on('data', (data: Buffer) => (lines += data.toString()));
  await expect.poll(() => lines.split('\n').length, { timeout: 240_000, interval: 100 }).toBeGreaterThan(230);
  for (const line of lines.trim().split('\n')) expect(line.endsWith(` ${EMFILE}`), line).toBe(true);
  expect(openFilesOfHost() - before).toBeLessThan(Math.max(most / 4, 256 * 256) + 10_000);
});

/** The kernel lets a process that it kills, or that cannot wait, go a little beyond: cgroup-v2.html, "memory.max". */
const BEYOND = MIB;

/**
 * Programs are chosen before init by a tenth of the limit, which has to be more than init has of its own: with a sanitizer in it,
 * 5 MiB. All pipes of a user together hold 64 MiB, pipe(7).
 */
const MEMORY_MIB = process.env['CLOISTER_NATIVE'] === undefined ? 24 : 60;

/** What counts as memory: the limit of the sandbox ends it, or the kernel refuses it more. */
test.each([
  ['pipe buffers', 'pipe', 'goes'],
  ['Unix socket buffers', 'unix', 'goes'],
  ['files without a name', 'memfd', 'goes'],
  ['System V shared memory', 'sysv', 'stays'],
  ['/dev/shm', 'shm', 'stays'],
])('%s are memory of the sandbox', async (_, kind, remains) => {
  await using greedy = await box({ limits: { memory: `${MEMORY_MIB}MiB`, disk: '1GiB' }, shm: '1GiB' });
  const result = await greedy.exec(exhaust(kind, 4000));
  expect(['oom', 'exit']).toContain(result.reason);
  expect(result.usage.memoryPeakBytes).toBeGreaterThan((MEMORY_MIB - 1) * MIB);
  expect(result.usage.memoryPeakBytes).toBeLessThanOrEqual(MEMORY_MIB * MIB + BEYOND);
  // It went with the program, which alone was killed.
  if (remains === 'goes') expect((await greedy.exec(['true'])).exitCode).toBe(0);
});

test('names that do not exist are remembered at the expense of the sandbox', async () => {
  await using greedy = await box({ limits: { memory: '48MiB' } });
  const result = await greedy.exec(exhaust('dentry', 400_000));
  expect(['oom', 'exit']).toContain(result.reason);
  expect(result.usage.memoryPeakBytes).toBeLessThanOrEqual(48 * MIB + BEYOND);
});

test.each([
  ['bytes of the writable layer', 'disk', 16 * MIB, 16],
  ['files of the writable layer', 'inode', 8 * MIB, (8 * MIB) / PAGE],
  ['bytes of /dev/shm', 'shm', 8 * MIB, 8],
])('%s', async (_, kind, bytes, most) => {
  await using greedy = await box({ limits: { disk: bytes }, shm: bytes });
  const [got, errno] = (await greedy.exec(exhaust(kind, 1_000_000))).stdout.trim().split(' ').map(Number);
  expect([ENOSPC, EDQUOT]).toContain(errno);
  expect(got).toBeLessThanOrEqual(most);
});

/** Before them init was killed, and the sandbox with it, for a program that held little memory of its own. */
test('programs are killed for memory before init is, and cannot change that for the worse', async () => {
  // Init scores as its programs do while it starts one.
  const line = `
    until [ "$(cat /proc/1/oom_score_adj)" = 0 ]; do sleep 0.01; done
    cat /proc/self/oom_score_adj /proc/1/oom_score_adj
    for score in 0 -1 -1000; do (echo $score > /proc/self/oom_score_adj) 2> /dev/null && echo $score; done
    (echo 1000 > /proc/1/oom_score_adj) 2> /dev/null && echo init`;
  expect((await Sandbox.run(['sh', '-c', line])).stdout).toBe('100\n0\n0\n');
});

/** 500 sockets held 2 GiB of the host's memory before v1's account of TCP was put to use. */
test.each(['tcp', 'udp'])('%s buffers', async (kind) => {
  const before = tcpBytesOfHost();
  await using greedy = await box({ limits: { memory: '64MiB' } });
  const holder = greedy.exec(exhaust(kind, 250, 1));
  await Promise.race([saw(holder, '\n'), holder]).catch(() => undefined);
  // The kernel lets every socket have a first segment each way, whatever the limit.
  expect(tcpBytesOfHost() - before).toBeLessThan(64 * MIB + 500 * 128 * 1024);
  expect((await greedy.exec(['true'])).exitCode).toBe(0);
});

/** No control group is charged for it: 8,000 sockets of a sandbox with 64 MiB held 2.4 GiB of the host's memory. */
describe('netlink sockets', () => {
  test.each(['netlink', 'route'])('are few at a time: %s', async (kind) => {
    await using greedy = await box({ limits: { memory: '64MiB' } });
    await using other = await box();
    const holder = greedy.exec(exhaust(kind, 100_000, 1));
    const [got, errno] = (await saw(holder, '\n')).trim().split(' ').map(Number);
    expect(errno).toBe(ENOBUFS);
    expect(got).toBeLessThanOrEqual(128);
    expect((await other.exec(exhaust(kind, 64))).stdout).toBe('64 0\n');
    holder.kill('SIGKILL');
    await holder;
    // They are given back.
    expect((await greedy.exec(exhaust(kind, 64))).stdout).toBe('64 0\n');
  });

  test('also by several processes at once, and in the only command', async () => {
    const line =
      'for i in 1 2 3 4 5 6 7 8; do /attack/exhaust netlink 1000 1 & done; sleep 2; wc -l < /proc/net/netlink';
    const mounts = [Volume.bind(dirname(program), '/attack', { readonly: true })];
    const { stdout } = await Sandbox.run(['sh', '-c', line], { mounts });
    // Those who were just let through are not open yet when they are counted.
    expect(Number(stdout.trim().split('\n').at(-1))).toBeLessThan(160);
  });

  test.each<[string, SandboxOptions]>([
    ['any number, one after the other', {}],
    ["on the host's network", { network: 'host' }],
  ])('%s', async (_, options) => {
    await using modest = await box(options);
    expect((await modest.exec(exhaust('reused', 2000))).stdout).toBe('2000 0\n');
    const { stdout } = await modest.exec(['python3', '-c', 'import socket; print(socket.if_nameindex()[0][1])']);
    expect(stdout).toBe('lo\n');
  });
});

test('keys: none by default; without the filter those of its own user', async () => {
  await using plain = await box();
  expect((await plain.exec(exhaust('key', 10))).stdout).toBe(`0 ${EPERM}\n`);
  const rootKeys = (): string => /^ *0: .*/m.exec(hostFile('/proc/key-users'))?.[0] ?? '';
  const before = rootKeys();
  await using unfiltered = await box({ security: { seccomp: 'unconfined' } });
  const [got, errno] = (await unfiltered.exec(exhaust('key', 100_000))).stdout.trim().split(' ').map(Number);
  expect(errno).toBe(EDQUOT);
  expect(got).toBeLessThanOrEqual(Number(hostFile('/proc/sys/kernel/keys/maxkeys')));
  expect(rootKeys()).toBe(before);
});

test('processes: a fork bomb fills its own limit and no more', async () => {
  const result = await Sandbox.run(['sh', '-c', 'b() { b | b & }; b; sleep 1; exit 1'], {
    limits: { pids: 48 },
    timeout: '120s',
  });
  expect(result.reason).toBe('pids');
  expect(result.usage.pidsPeak).toBeLessThanOrEqual(48);
  expect(execFileSync('echo', ['still there'], { encoding: 'utf8' })).toBe('still there\n');
});

test('limits of a program that nobody asked for are those of the table', async () => {
  const { stdout } = await Sandbox.run(['cat', '/proc/self/limits']);
  // Not 0: with 0 the kernel would still start the host's crash handler, core(5).
  expect(stdout).toMatch(/Max core file size +1 +1 /);
  const [, soft, hard] = /Max open files +(\d+) +(\d+)/.exec(stdout) ?? [];
  expect(Number(soft)).toBeLessThanOrEqual(1024);
  expect(Number(hard)).toBeLessThanOrEqual(4096);
});
