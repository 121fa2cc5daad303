import { existsSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CloisterError, Sandbox, Volume, type RunOptions } from '../../lib/index.js';
import { compile, inventory, makeLab, makeRoot, mountsBelow, saw, sh } from '../support/attack.js';
import { repetitions } from '../support/repetitions.js';

/**
 * One sandbox exchanges directories for links while another one is set up across them (CVE-2021-30465, CVE-2025-31133,
 * CVE-2025-52565, CVE-2025-52881, CVE-2024-23651, CVE-2017-1002101). Every start ends right or with a typed error.
 */
const lab = makeLab();
const swapper = compile(lab, 'swap');
const STARTS = repetitions(24);

let shared: string;
let victim: string;
let before: string[];
let attacker: Sandbox;

beforeEach(async () => {
  shared = mkdtempSync(join(lab, 'shared-'));
  victim = mkdtempSync(join(lab, 'victim-'));
  for (const name of ['b', 'etc', 'dev/pts', 'secret-directory']) mkdirSync(join(victim, name), { recursive: true });
  writeFileSync(join(victim, 'secret'), 'secret of the host', { mode: 0o600 });
  writeFileSync(join(victim, 'b/secret'), 'secret of the host', { mode: 0o600 });
  before = inventory(victim);
  const mounts = [Volume.bind(shared, '/vol'), Volume.bind(dirname(swapper), '/attack', { readonly: true })];
  attacker = await Sandbox.create({ mounts });
});

afterEach(async () => {
  await attacker.remove();
  expect(inventory(victim)).toEqual(before);
  expect(mountsBelow(lab)).toEqual([]);
});

/** Exchanges pairs of names below the shared directory while `work` runs. */
async function whileSwapping(pairs: readonly string[], work: () => Promise<void>): Promise<void> {
  const swap = attacker.exec(['/attack/swap', ...pairs.map((name) => `/vol/${name}`)], { timeout: Infinity });
  await saw(swap, 'ready');
  await work();
  swap.kill('SIGKILL');
  expect((await swap).stderr).toBe('');
}

interface Outcomes {
  readonly outputs: string[];
  readonly errors: CloisterError[];
}

async function startMany(line: string, options: () => RunOptions<'utf8'>): Promise<Outcomes> {
  const outcomes: Outcomes = { outputs: [], errors: [] };
  for (let i = 0; i < STARTS; i += 4) {
    const batch = [1, 2, 3, 4].map(async () => {
      try {
        const { stdout, stderr } = await Sandbox.run(sh(line), options());
        outcomes.outputs.push(stdout + stderr);
      } catch (error) {
        if (!CloisterError.is(error)) throw error;
        outcomes.errors.push(error);
      }
    });
    await Promise.all(batch);
  }
  return outcomes;
}

/** Until an exchange has hit a start: on a busy machine the exchanging program may not run meanwhile. */
async function startUntilHit(line: string, options: () => RunOptions<'utf8'>): Promise<Outcomes> {
  const all: Outcomes = { outputs: [], errors: [] };
  for (let round = 0; round < 50 && all.errors.length === 0; round++) {
    const { outputs, errors } = await startMany(line, options);
    all.outputs.push(...outputs);
    all.errors.push(...errors);
  }
  return all;
}

const LOOK = 'cat /proc/self/mountinfo; cat /vol/a/secret /vol/a/b/secret /secret 2>&1; ls -a / /vol/a';

describe('mount targets below a shared volume', () => {
  test('a directory and a link', async () => {
    mkdirSync(join(shared, 'a'));
    for (const target of ['/', '/proc/1/root', '../../../../../..', '/vol/../..', victim, '/usr/..', '/dev']) {
      rmSync(join(shared, 'x'), { recursive: true, force: true });
      symlinkSync(target, join(shared, 'x'));
      await whileSwapping(['a', 'x'], async () => {
        const mounts = [Volume.bind(shared, '/vol'), Volume.tmpfs('/vol/a/b', { size: '1MiB' })];
        const { outputs, errors } = await startMany(LOOK, () => ({ mounts }));
        expect(outputs.length + errors.length).toBe(STARTS);
        for (const output of outputs) expect(output).not.toContain('secret of the host');
        for (const { code } of errors) expect(['ERR_KERNEL', 'ERR_IMAGE_INVALID']).toContain(code);
      });
      // Whichever of the two names has it now.
      if (lstatSync(join(shared, 'a')).isSymbolicLink()) renameSync(join(shared, 'x'), join(shared, 'y'));
      if (lstatSync(join(shared, 'a')).isSymbolicLink()) rmSync(join(shared, 'a'));
      if (existsSync(join(shared, 'y'))) renameSync(join(shared, 'y'), join(shared, 'a'));
    }
  });

  test('nested, with every level exchanged', async () => {
    mkdirSync(join(shared, 'a/b/c'), { recursive: true });
    mkdirSync(join(shared, 'other/b'), { recursive: true });
    symlinkSync(victim, join(shared, 'other/b/c'));
    symlinkSync('../../../../../../../..', join(shared, 'x'));
    await whileSwapping(['a', 'x', 'a', 'other', 'x', 'other'], async () => {
      const mounts = [Volume.bind(shared, '/vol'), Volume.tmpfs('/vol/a/b/c/new', { size: '1MiB' })];
      const { outputs, errors } = await startMany(LOOK, () => ({ mounts }));
      expect(outputs.length + errors.length).toBe(STARTS);
      for (const output of outputs) expect(output).not.toContain('secret of the host');
    });
  });
});

describe('what a sandbox is given, below a shared volume', () => {
  test('the source of a bind mount', async () => {
    mkdirSync(join(shared, 'a'));
    writeFileSync(join(shared, 'a/mine'), 'mine');
    symlinkSync(victim, join(shared, 'x'));
    await whileSwapping(['a', 'x'], async () => {
      const options = (): RunOptions<'utf8'> => ({ mounts: [Volume.bind(join(shared, 'a'), '/data')] });
      const { outputs, errors } = await startUntilHit('cat /data/mine /data/secret 2>/dev/null; ls /data', options);
      for (const output of outputs) expect(output).toBe('minemine\n');
      for (const { code } of errors) expect(['ERR_INVALID_OPTION', 'ERR_KERNEL']).toContain(code);
      expect(errors.length).toBeGreaterThan(0);
    });
  });

  test('a file and a device, a link or a directory', async () => {
    writeFileSync(join(shared, 'a'), 'mine');
    mkdirSync(join(shared, 'y'));
    symlinkSync(join(victim, 'secret'), join(shared, 'x'));
    await whileSwapping(['a', 'x', 'a', 'y'], async () => {
      const options = (): RunOptions<'utf8'> => ({ mounts: [Volume.bind(join(shared, 'a'), '/etc/data')] });
      const { outputs } = await startMany('cat /etc/data 2>/dev/null', options);
      for (const output of outputs) expect(['mine', '']).toContain(output);
    });
  });

  test('the directory of an image', async () => {
    makeRoot(shared, 'root');
    symlinkSync(victim, join(shared, 'x'));
    await whileSwapping(['root', 'x'], async () => {
      const options = (): RunOptions<'utf8'> => ({ image: { directory: join(shared, 'root') } });
      const { outputs, errors } = await startMany('cat /secret /b/secret 2>/dev/null; ls /bin/sh', options);
      for (const output of outputs) expect(output).toBe('/bin/sh\n');
      for (const { code } of errors) expect(['ERR_INVALID_OPTION', 'ERR_KERNEL']).toContain(code);
    });
  });
});

describe('an image that another sandbox changes meanwhile', () => {
  test.each(['dev', 'proc', 'sys', 'etc', 'tmp', 'bin'])('/%s', async (name) => {
    const root = makeRoot(shared, 'root');
    mkdirSync(join(root, name), { recursive: true });
    symlinkSync(victim, join(shared, 'x'));
    await whileSwapping([`root/${name}`, 'x'], async () => {
      const line = 'cat /secret /tmp/secret /etc/secret 2>/dev/null; echo x > /tmp/x; cat /proc/self/mountinfo';
      const mounts = [Volume.tmpfs('/tmp/new/er')];
      const { outputs, errors } = await startMany(line, () => ({
        image: { directory: root },
        mounts,
        user: 'root:root',
      }));
      expect(outputs.length + errors.length).toBe(STARTS);
      for (const output of outputs) {
        expect(output).not.toContain('secret of the host');
        for (const needed of [' /dev ro', ' /proc rw', ' /sys ro', ' /proc/sys ro']) expect(output).toContain(needed);
      }
      for (const { code } of errors) expect(code).toMatch(/^ERR_(KERNEL|IMAGE_INVALID|COMMAND|USER|CWD)/);
    });
  });
});
