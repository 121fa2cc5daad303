import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { CloisterError, Sandbox, Volume, type CommandResult, type RunOptions } from '../../lib/index.js';
import { inventory, makeLab, makeRoot, mountsBelow, sh } from '../support/attack.js';

/**
 * The image ships a path at which something is mounted or made as a link to the host (CVE-2023-27561, CVE-2026-41579,
 * CVE-2026-47766, CVE-2026-88264, CVE-2026-88265, CVE-2022-23648): nothing appears, changes owner or is mounted there.
 */
const lab = makeLab();
const victim = join(lab, 'victim');
let count = 0;
let root: string;

/** Stands for the host: whatever a link may hit is in there. */
const PRECIOUS = ['null', 'pts/ptmx', 'console', 'shm/file', 'mqueue/file', 'sys/kernel/msgmax', 'kcore', 'self/attr'];

beforeEach(() => {
  rmSync(victim, { recursive: true, force: true });
  for (const name of PRECIOUS) {
    mkdirSync(dirname(join(victim, name)), { recursive: true });
    writeFileSync(join(victim, name), 'precious', { mode: 0o600 });
  }
  root = makeRoot(lab, `root${count++}`);
});

/** As the image's own view has it: where `target` would be if paths were resolved on the host. */
function link(path: string, target: string, kind: 'absolute' | 'relative'): void {
  const at = join(root, path);
  mkdirSync(dirname(at), { recursive: true });
  rmSync(at, { recursive: true, force: true });
  symlinkSync(kind === 'absolute' ? target : relative(dirname(at), target), at);
}

async function run(line: string, options: RunOptions<'utf8'> = {}): Promise<CommandResult | CloisterError> {
  try {
    return await Sandbox.run(sh(line), { image: { directory: root }, ...options });
  } catch (error) {
    if (CloisterError.is(error)) return error;
    throw error;
  }
}

async function leavesHostAlone(attack: () => Promise<unknown>): Promise<void> {
  const before = [...inventory(victim), ...inventory(root)];
  await attack();
  expect([...inventory(victim), ...inventory(root)]).toEqual(before);
  expect(mountsBelow(lab)).toEqual([]);
}

describe.each(['absolute', 'relative'] as const)('%s links', (kind) => {
  test.each(['dev', 'proc', 'sys'])('/%s: the image is refused', async (path) => {
    link(path, victim, kind);
    await leavesHostAlone(async () => {
      expect(await run('true')).toMatchObject({ code: 'ERR_IMAGE_INVALID', subject: path });
    });
  });

  test.each(['dev/pts', 'dev/shm', 'dev/mqueue', 'dev/null', 'dev/console', 'dev/ptmx', 'dev/fd'])(
    '/%s lies below the /dev of the sandbox and does not count',
    async (path) => {
      link(path, join(victim, path.slice('dev/'.length)), kind);
      await leavesHostAlone(async () => {
        const line = 'echo x > /dev/null; echo x > /dev/shm/x; ls -l /dev/null /dev/ptmx; test ! -e /dev/console';
        expect(await run(line, { tty: true })).toMatchObject({ exitCode: 0 });
      });
    },
  );

  test.each(['proc/self', 'proc/kcore', 'proc/sys', 'proc/sysrq-trigger', 'sys/firmware', 'sys/kernel'])(
    '/%s lies below the /proc or /sys of the sandbox and does not count',
    async (path) => {
      link(path, victim, kind);
      await leavesHostAlone(async () => {
        expect(await run('cat /proc/self/status > /tmp/x')).toMatchObject({ exitCode: 0, stderr: '' });
      });
    },
  );

  test.each(['data', 'deep/er/data'])('mount target /%s: resolved inside, where it leads nowhere', async (path) => {
    link(path, victim, kind);
    for (const target of [`/${path}`, `/${path}/new/directory`]) {
      await leavesHostAlone(async () => {
        expect(await run('true', { mounts: [Volume.tmpfs(target)] })).toMatchObject({ code: 'ERR_IMAGE_INVALID' });
      });
    }
  });

  test.each(['data', 'deep/er/data'])('mount target /%s: resolved inside, where the same path exists', async (path) => {
    link(path, victim, 'absolute');
    const twin = join(root, victim);
    mkdirSync(twin, { recursive: true });
    const mounts = [Volume.tmpfs(`/${path}`), Volume.tmpfs(`/${path}/new/directory`)];
    await leavesHostAlone(async () => {
      const line = `touch /${path}/x /${path}/new/directory/y; ls ${victim} ${victim}/new/directory`;
      expect(await run(line, { mounts })).toMatchObject({
        exitCode: 0,
        stdout: `${victim}:\nnew\nx\n\n${victim}/new/directory:\ny\n`,
      });
    });
    expect(existsSync(join(victim, 'new'))).toBe(false);
  });

  test('the target of a file mount', async () => {
    const file = join(lab, 'file');
    writeFileSync(file, 'mine');
    link('etc/file', join(victim, 'null'), kind);
    await leavesHostAlone(async () => {
      const mounts = [Volume.bind(file, '/etc/file', { readonly: true })];
      expect(await run('cat /etc/file', { mounts })).toMatchObject({ code: 'ERR_IMAGE_INVALID' });
    });
  });

  test.each(['etc/passwd', 'etc/group'])('/%s is read inside only', async (path) => {
    writeFileSync(join(victim, 'accounts'), 'spy:x:4242:4242::/:/bin/sh\n');
    link(path, join(victim, 'accounts'), kind);
    await leavesHostAlone(async () => {
      const user = path === 'etc/passwd' ? 'spy' : '0:spy';
      expect(await run('true', { user })).toMatchObject({ code: expect.stringMatching(/^ERR_/) as string });
    });
  });

  test('the working directory', async () => {
    link('work', victim, kind);
    await leavesHostAlone(async () => {
      expect(await run('ls', { cwd: '/work' })).toMatchObject({ code: 'ERR_CWD_NOT_FOUND' });
    });
  });

  test('the program', async () => {
    link('bin/tool', '/usr/bin/env', kind);
    await expect(Sandbox.run(['tool'], { image: { directory: root } })).rejects.toMatchObject({
      code: 'ERR_COMMAND_NOT_FOUND',
    });
  });
});

describe('mount targets that lead into file systems of the kernel (CVE-2019-16884, CVE-2023-28642)', () => {
  test.each(['/proc', '/proc/self/attr', '/proc/sys', '/dev', '/dev/pts', '/dev/shm', '/sys', '/sys/fs/cgroup'])(
    'a link to %s is refused',
    async (target) => {
      symlinkSync(target, join(root, 'data'));
      const volume = join(lab, 'volume');
      mkdirSync(volume, { recursive: true });
      for (const mount of [Volume.bind(volume, '/data'), Volume.tmpfs('/data')]) {
        expect(await run('true', { mounts: [mount] })).toMatchObject({ code: 'ERR_IMAGE_INVALID', subject: 'data' });
      }
    },
  );

  test.each(['/proc', '/proc/self/attr', '/sys/x', '/dev', '/dev/null', '/'])('by name: %s', async (target) => {
    expect(await run('true', { mounts: [Volume.tmpfs(target)] })).toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });

  /** Both together made the pipe to the application the standard input of a command: /dev/null led to a descriptor of init. */
  test('a volume on /dev whose null is a link to a descriptor of init', async () => {
    symlinkSync('/dev', join(root, 'data'));
    const volume = join(lab, 'hostile-dev');
    mkdirSync(volume, { recursive: true });
    for (let fd = 0; fd < 32; fd++) {
      rmSync(join(volume, 'null'), { force: true });
      symlinkSync(`/proc/self/fd/${fd}`, join(volume, 'null'));
      expect(await run('true', { mounts: [Volume.bind(volume, '/data')] })).toMatchObject({
        code: 'ERR_IMAGE_INVALID',
      });
    }
  });
});

test('magic links are not followed by mount targets', async () => {
  for (const target of ['/proc/1/root', '/proc/self/cwd', '/proc/self/fd/3', '/proc/thread-self/root']) {
    rmSync(join(root, 'data'), { force: true });
    symlinkSync(target, join(root, 'data'));
    expect(await run('true', { mounts: [Volume.tmpfs('/data/x')] })).toBeInstanceOf(CloisterError);
  }
});
