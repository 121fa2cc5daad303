import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CloisterError, Sandbox, Volume, type SandboxOptions } from '../../lib/index.js';
import { compile, makeLab, saw, sh } from '../support/attack.js';
import { repetitions } from '../support/repetitions.js';

const lab = makeLab();
compile(lab, 'cling');
const mounts = [Volume.bind(dirname(compile(lab, 'meddle')), '/attack', { readonly: true })];
const box = (options: SandboxOptions = {}): Promise<Sandbox> => Sandbox.create({ mounts, ...options });

describe('what does not want to end ends', () => {
  const WAYS = ['storm', 'orphans', 'subreaper', 'stuck', 'traced', 'stopped', 'deaf'];

  test.each(WAYS)('%s: by the time limit, by a kill, with its sandbox', async (way) => {
    await using living = await box({ limits: { pids: 64 } });
    const neighbour = living.exec(['sleep', '600']);
    await neighbour.started;
    const limited = await living.exec(['/attack/cling', way], { timeout: 1500 });
    expect(limited).toMatchObject({ reason: 'timeout', signal: 'SIGKILL' });
    expect((await living.processes()).map(({ name }) => name)).toEqual(['sleep']);
    const killed = living.exec(['/attack/cling', way]);
    await saw(killed, 'ready');
    killed.kill('SIGKILL');
    expect(await killed).toMatchObject({ reason: 'killed' });
    expect((await living.processes()).map(({ name }) => name)).toEqual(['sleep']);
    const last = living.exec(['/attack/cling', way]);
    await saw(last, 'ready');
    await living.remove();
    expect((await last).signal).toBe('SIGKILL');
    expect((await neighbour).signal).toBe('SIGKILL');
    const alone = await Sandbox.run(['/attack/cling', way], { mounts, timeout: 1500, limits: { pids: 64 } });
    expect(alone).toMatchObject({ reason: 'timeout', signal: 'SIGKILL' });
  });

  test.each(WAYS)('%s: while it is frozen', async (way) => {
    const living = await box({ limits: { pids: 64 } });
    const command = living.exec(['/attack/cling', way]);
    await saw(command, 'ready');
    await living.pause();
    await living.remove();
    expect((await command).signal).toBe('SIGKILL');
  });
});

describe('a command that others inside do not leave alone', () => {
  /** CVE-2016-9962: what joins the sandbox is traced, or its descriptors are taken, before it has let go of what it was given. */
  test.each([
    ['look', 0],
    ['look', 1000],
    ['trace', 0],
    ['trace', 1000],
  ])('%s, as user %i: nothing of the launcher shows', async (how, user) => {
    await using living = await box({ security: { capabilities: { add: ['SYS_PTRACE'] } } });
    const meddler = living.exec(['/attack/meddle', how], { user, timeout: Infinity });
    let seen = '';
    meddler.stdout?.on('data', (data: Buffer) => (seen += data.toString()));
    await saw(meddler, 'ready');
    for (let i = 0; i < repetitions(60); i++) {
      // A static program: it has no descriptor of its own above 2.
      const start = (): PromiseLike<unknown> => living.exec(['/attack/cling', ''], { user, stdin: 'text' });
      const results = await Promise.allSettled([start(), start()]);
      for (const result of results) expect(result.status).toBe('fulfilled');
    }
    meddler.kill('SIGKILL');
    await meddler;
    expect(seen).toBe('ready\n');
  });

  /** It is the sandbox's own affair, but must neither hang the application nor break init. */
  test.each([
    ['stop', 0],
    ['kill', 0],
    ['limit', 0],
    ['stop', 1000],
    ['kill', 1000],
  ])('%s, as user %i: every call ends, and all is well afterwards', async (how, user) => {
    const living = await box();
    const meddler = living.exec(['/attack/meddle', how], { user, timeout: Infinity });
    await saw(meddler, 'ready');
    let isAlive = true;
    for (let i = 0; i < repetitions(20) && isAlive; i++) {
      const outcome: unknown = await living.exec(['true'], { user, timeout: 1000 }).catch((error: unknown) => error);
      if (CloisterError.is(outcome)) expect(outcome.code).toMatch(/^ERR_/);
      else expect(['exit', 'timeout', 'signal', 'killed']).toContain((outcome as { reason: string }).reason);
      // A start that is held up for good takes the sandbox along.
      isAlive = living.state === 'running';
    }
    if (isAlive) {
      meddler.kill('SIGKILL');
      expect((await meddler).signal).toBe('SIGKILL');
      expect(await living.exec(['echo', 'fine'])).toMatchObject({ exitCode: 0, stdout: 'fine\n' });
    }
    await living.remove();
    expect(await Sandbox.run(['echo', 'fine'])).toMatchObject({ exitCode: 0, stdout: 'fine\n' });
  });
});

describe('init', () => {
  test('does not die of anything that is sent from inside', async () => {
    await using living = await box();
    const line = 'for s in $(seq 1 64); do kill -$s 1; kill -$s -- -1; done; true';
    await living.exec(sh(`(trap "" $(seq 1 31); ${line}) 2>/dev/null`)).catch(() => undefined);
    await living.exec(sh('kill -9 -1')).catch(() => undefined);
    expect(living.state).toBe('running');
    expect(await living.exec(['echo', 'fine'])).toMatchObject({ exitCode: 0, stdout: 'fine\n' });
  });

  test('reaps a flood of orphans', async () => {
    await using living = await box();
    const line =
      'i=0; while [ $i -lt 300 ]; do (true & true &); i=$((i+1)); done; sleep 0.2; ls -d /proc/[0-9]* | wc -l';
    const { stdout } = await living.exec(sh(line));
    expect(Number(stdout)).toBeLessThan(12);
  });

  test('a command that kills all others leaves theirs with a result', async () => {
    await using living = await box();
    const others = Array.from({ length: 5 }, () => living.exec(['sleep', '600']));
    await Promise.all(others.map(({ started }) => started));
    await living.exec(sh('kill -9 -1')).catch(() => undefined);
    for (const other of others) expect(await other).toMatchObject({ signal: 'SIGKILL', reason: 'signal' });
  });
});

test('no signal reaches another sandbox or the host', async () => {
  await using victim = await box();
  await using attacker = await box();
  const sleeper = victim.exec(['sleep', '600']);
  const pid = await sleeper.started;
  const count =
    'import os\nfor pid in range(2, 70000):\n  try: os.kill(pid, 9) if pid != os.getpid() else 0\n  except OSError: pass';
  expect((await attacker.exec(['python3', '-c', count], { timeout: '250s' })).exitCode).toBe(0);
  expect((await victim.processes()).map((each) => each.pid)).toEqual([pid]);
  sleeper.kill('SIGTERM');
  expect(await sleeper).toMatchObject({ signal: 'SIGTERM' });
});
