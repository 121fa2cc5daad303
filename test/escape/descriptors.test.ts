import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CloisterError, Sandbox, Volume, type ExecOptions, type SandboxOptions } from '../../lib/index.js';
import { makeLab, makeRoot, sh } from '../support/attack.js';

/** CVE-2024-21626: a directory of the host that was left open becomes the working directory. */
const lab = makeLab();

/** Number 3 is the list itself. */
const LIST = 'ls -l /proc/self/fd/ | sed -n "s/.* \\([0-9]*\\) -> \\(.*\\)/\\1 \\2/p"';

function numbers(listing: string): string[] {
  return listing
    .trim()
    .split(/\r?\n/)
    .map((line) => line.split(' ')[0] ?? '');
}

const SANDBOXES: Record<string, SandboxOptions> = {
  default: {},
  'with mounts': { mounts: [Volume.bind(lab, '/data'), Volume.tmpfs('/scratch')] },
  'with limits of every kind': {
    limits: { memory: '256MiB', cpus: 1, cpuset: '0', pids: 64, disk: '64MiB', files: 512 },
  },
  "with the host's network": { network: 'host' },
  'with shifted clocks': { clocks: { monotonic: '10h' } },
  'with CAP_SYS_ADMIN': { security: { capabilities: { add: ['SYS_ADMIN'] } } },
  privileged: { security: { profile: 'privileged' } },
  "with the host's ids": { security: { userNamespace: 'host' } },
};

const COMMANDS: Record<string, ExecOptions<'utf8'>> = {
  plain: {},
  'with input': { stdin: 'text' },
  'without output': { capture: false },
  'with a terminal': { tty: true },
  'of a user': { user: 1000 },
  'of a named user': { user: 'nobody' },
};

describe.each(Object.entries(SANDBOXES))('a sandbox %s', (_, options) => {
  test('has 0, 1 and 2 open, in its only command', async () => {
    for (const command of Object.values(COMMANDS)) {
      const { stdout } = await Sandbox.run(sh(command.capture === false ? 'true' : LIST), { ...options, ...command });
      if (command.capture !== false) expect(numbers(stdout)).toEqual(['0', '1', '2', '3']);
    }
  });

  test('and in every command of a living one, many at a time', async () => {
    await using box = await Sandbox.create(options);
    const held = box.exec(['sleep', '600'], { stdin: 'pipe' });
    await held.started;
    const commands = [...Object.values(COMMANDS), ...Object.values(COMMANDS)].filter(
      ({ capture }) => capture !== false,
    );
    const listings = await Promise.all(commands.map((command) => box.exec(sh(LIST), command)));
    for (const { stdout } of listings) {
      expect(numbers(stdout)).toEqual(['0', '1', '2', '3']);
      expect(stdout).not.toMatch(/socket:|anon_inode:|memfd:/);
    }
    held.kill('SIGKILL');
  });
});

describe('working directories', () => {
  const hostile = [
    ...Array.from({ length: 40 }, (_, fd) => `/proc/self/fd/${fd}`),
    ...Array.from({ length: 40 }, (_, fd) => `/proc/1/fd/${fd}`),
    '/proc/1/cwd', '/proc/1/root', '/proc/self/fd/7/../../..', '/proc/1/root/..', '/proc/1/map_files',
  ].filter((path) => !path.includes('..')); // prettier-ignore

  test('a descriptor of the launcher or of init is none', async () => {
    await using box = await Sandbox.create();
    for (const cwd of hostile) {
      const outcome: unknown = await box.exec(['pwd'], { cwd }).catch((error: unknown) => error);
      if (CloisterError.is(outcome)) expect(outcome.code).toBe('ERR_CWD_NOT_FOUND');
      else expect(outcome).toMatchObject({ exitCode: 0, stdout: '/\n' });
    }
    expect((await box.exec(['true'])).exitCode).toBe(0);
  });

  test('the same in the only command, through links of the image', async () => {
    const root = makeRoot(lab, 'root');
    mkdirSync(join(root, 'cwd'));
    for (const fd of [3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
      symlinkSync(`/proc/self/fd/${fd}`, join(root, 'cwd', String(fd)));
    for (const fd of [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) {
      const outcome: unknown = await Sandbox.run(['ls'], { image: { directory: root }, cwd: `/cwd/${fd}` }).catch(
        (error: unknown) => error,
      );
      expect(outcome).toMatchObject({ code: 'ERR_CWD_NOT_FOUND' });
    }
  });

  test("'..' is refused before anything is made", async () => {
    for (const cwd of ['/proc/self/fd/7/..', '/..', '/usr/../..']) {
      await expect(Sandbox.run(['pwd'], { cwd })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    }
  });

  test('climbing ends at the root of the sandbox', async () => {
    const climb = 'cd -P .. ; cd -P ../../../../../../../../../..; pwd -P; ls -di . / | sort -u | wc -l';
    for (const cwd of ['/', '/proc/self/cwd', '/usr/bin', '/dev/shm', '/proc/self/root']) {
      const { stdout } = await Sandbox.run(sh(climb), { cwd });
      expect(stdout.split('\n')[0]).toBe('/');
    }
  });
});

test('programs that are named by a descriptor of init', async () => {
  await using box = await Sandbox.create();
  for (let fd = 0; fd < 20; fd++) {
    for (const program of [`/proc/self/fd/${fd}`, `/proc/1/fd/${fd}`, `/proc/self/fd/${fd}/bin/sh`]) {
      await expect(box.exec([program])).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_COMMAND_NOT_/) as string,
      });
    }
  }
});
