import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { CloisterError, Sandbox, Volume, type CommandResult, type UserOption } from '../../lib/index.js';
import { compile, makeLab, makeRoot, saw, sh } from '../support/attack.js';
import { repetitions } from '../support/repetitions.js';

/**
 * /etc/passwd and /etc/group belong to whoever made the image, or to what runs inside: looking up a user must neither wait, nor
 * read without end, nor load anything (CVE-2019-14271), nor give more than the files say.
 */
const lab = makeLab();
let count = 0;
let root: string;

beforeEach(() => {
  root = makeRoot(lab, `root${count++}`);
});

const PASSWD = 'root:x:0:0::/root:/bin/sh\nada:x:1200:1300::/home/ada:/bin/sh\n';

/** Without id(1), which reads the files, too. */
const WHO = sh(
  'while read key real rest; do case $key in Uid:|Gid:) echo $real;; esac; done < /proc/self/status; echo $HOME',
);

async function whoAmI(user: UserOption): Promise<CommandResult | CloisterError> {
  try {
    return await Sandbox.run(WHO, { image: { directory: root }, user, timeout: '100s' });
  } catch (error) {
    if (CloisterError.is(error)) return error;
    throw error;
  }
}

/** What stands in the place of a file. */
const IMPOSTORS: Record<string, (path: string) => void> = {
  'a FIFO': (path) => execFileSync('mkfifo', ['-m', '666', path]),
  'a directory': (path) => mkdirSync(path),
  'a device that never ends': (path) => execFileSync('mknod', ['-m', '666', path, 'c', '1', '5']),
  'a device of the host': (path) => execFileSync('mknod', ['-m', '666', path, 'c', '1', '11']),
  'a terminal': (path) => execFileSync('mknod', ['-m', '666', path, 'c', '5', '0']),
  'a link to itself': (path) => symlinkSync(path.slice(path.lastIndexOf('/') + 1), path),
  'a link to nothing': (path) => symlinkSync('/no/such/file', path),
  'a link to the environment of init': (path) => symlinkSync('/proc/1/environ', path),
  'a link to memory': (path) => symlinkSync('/proc/self/mem', path),
  'a link to a descriptor': (path) => symlinkSync('/proc/self/fd/4', path),
  'a link to the null device': (path) => symlinkSync('/dev/null', path),
  'a link to an endless device': (path) => symlinkSync('/dev/zero', path),
  'a link to the log of the kernel': (path) => symlinkSync('/proc/kmsg', path),
  'a link out of the root': (path) => symlinkSync('../../../../../../../../etc/passwd', path),
};

describe.each(Object.entries(IMPOSTORS))('%s', (_, make) => {
  test.each(['passwd', 'group'])('as /etc/%s', async (name) => {
    writeFileSync(join(root, 'etc/passwd'), PASSWD);
    rmSync(join(root, 'etc', name));
    make(join(root, 'etc', name));
    const byName = await whoAmI(name === 'passwd' ? 'ada' : '1200:staff');
    expect(byName).toBeInstanceOf(CloisterError);
    expect((byName as CloisterError).code).toBe('ERR_USER_NOT_FOUND');
    // Numbers need no file.
    expect(await whoAmI(4242)).toMatchObject({ exitCode: 0, stdout: '4242\n4242\n/\n' });
    expect(await whoAmI(0)).toMatchObject({ exitCode: 0, stdout: '0\n0\n/root\n' });
  });
});

describe('texts', () => {
  test.each([
    ['empty', ''],
    ['one byte', '\n'],
    ['no end of line', 'ada:x:1200:1300::/home/ada:/bin/sh'],
    ['only separators', ':::::::\n'.repeat(10_000)],
    ['bytes of every value', Buffer.from(Array.from({ length: 65_536 }, (_, i) => i % 256))],
    ['a line without end', `ada${'a'.repeat(600_000)}:x:0:0::/:/bin/sh\n`],
    ['NUL in a name', 'ada\0:x:0:0::/:/bin/sh\n'],
    ['numbers that do not fit', 'ada:x:4294967296:0::/:/bin/sh\nada:x:-1:0::/:/bin/sh\nada:x:0x0:0::/:/bin/sh\n'],
    ['the number that means none', 'ada:x:4294967295:4294967295::/:/bin/sh\n'],
    ['signs and spaces', 'ada:x: 0:0::/:/bin/sh\nada:x:+0:0::/:/bin/sh\n'],
  ])('%s', async (_, text) => {
    writeFileSync(join(root, 'etc/passwd'), text);
    const result = await whoAmI('ada');
    if (!(result instanceof CloisterError)) expect(result.stdout).toBe('1200\n1300\n/home/ada\n');
    else expect(result.code).toBe('ERR_USER_NOT_FOUND');
    expect(await whoAmI(4242)).toMatchObject({ exitCode: 0 });
  });

  test('homes that are none', async () => {
    const homes = ['', 'relative', `/${'x'.repeat(5000)}`, '/a=b', '/a b'];
    const lines = homes.map((home, i) => `u${i}:x:${2000 + i}:2000::${home}:/bin/sh`);
    writeFileSync(join(root, 'etc/passwd'), lines.join('\n'));
    for (const [i, home] of homes.entries()) {
      const expected = home.startsWith('/') && home.length < 256 ? home : '/';
      expect(await whoAmI(`u${i}`)).toMatchObject({ stdout: `${2000 + i}\n2000\n${expected}\n` });
    }
  });

  test('ids outside of the map are refused, not wrapped', async () => {
    writeFileSync(join(root, 'etc/passwd'), 'far:x:70000:70000::/:/bin/sh\nlast:x:65535:65535::/:/bin/sh\n');
    expect(await whoAmI('far')).toMatchObject({
      code: 'ERR_USER_NOT_FOUND',
      hint: expect.stringContaining('security.userNamespace') as string,
    });
    expect(await whoAmI(70_000)).toMatchObject({ code: 'ERR_INVALID_OPTION', subject: 'user' });
    expect(await whoAmI('last')).toMatchObject({ stdout: '65535\n65535\n/\n' });
  });

  test('a file of gigabytes is read as far as a file of that kind goes', async () => {
    writeFileSync(join(root, 'etc/passwd'), PASSWD);
    truncateSync(join(root, 'etc/passwd'), 8 * 2 ** 30);
    expect(await whoAmI('ada')).toMatchObject({ exitCode: 0 });
    expect(await whoAmI('nobody')).toMatchObject({ code: 'ERR_USER_NOT_FOUND' });
  });

  test('as many groups as a process may have, and no more', async () => {
    writeFileSync(join(root, 'etc/passwd'), PASSWD);
    appendFileSync(
      join(root, 'etc/group'),
      Array.from({ length: 5000 }, (_, i) => `g${i}:x:${2000 + i}:ada\n`).join(''),
    );
    const result = await Sandbox.run(sh('id -G | tr " " "\\n" | wc -l'), { image: { directory: root }, user: 'ada' });
    expect(Number(result.stdout)).toBeGreaterThan(200);
    expect(Number(result.stdout)).toBeLessThan(300);
  });

  test('a library that the image names for lookups is not loaded', async () => {
    writeFileSync(join(root, 'etc/passwd'), PASSWD);
    writeFileSync(join(root, 'etc/nsswitch.conf'), 'passwd: hostile\ngroup: hostile\n');
    for (const directory of ['lib', 'lib64', 'usr/lib', 'lib/x86_64-linux-gnu']) {
      mkdirSync(join(root, directory), { recursive: true });
      writeFileSync(join(root, directory, 'libnss_hostile.so.2'), '\x7fELF');
      chmodSync(join(root, directory, 'libnss_hostile.so.2'), 0o755);
    }
    expect(await whoAmI('ada')).toMatchObject({ exitCode: 0, stdout: '1200\n1300\n/home/ada\n' });
  });
});

test('files that change while they are looked at', async () => {
  const attack = compile(lab, 'swap');
  await using box = await Sandbox.create({
    image: { directory: root },
    mounts: [Volume.bind(join(attack, '..'), '/attack', { readonly: true })],
  });
  const lines = [
    'mkfifo /etc/fifo; mkdir /etc/directory; ln -s /proc/1/environ /etc/link; cp /etc/passwd /etc/other',
    'echo "ada:x:1200:1300::/:/bin/sh" >> /etc/passwd; echo "ada:x:0:0::/:/bin/sh" > /etc/short',
  ];
  await box.exec(['busybox', 'sh', '-c', lines.join(';')]);
  const names = ['fifo', 'directory', 'link', 'other', 'short'].flatMap((name) => ['/etc/passwd', `/etc/${name}`]);
  const swap = box.exec(['/attack/swap', ...names], { timeout: Infinity });
  await saw(swap, 'ready');
  for (let i = 0; i < repetitions(60); i++) {
    const outcome: unknown = await box.exec(WHO, { user: 'ada', timeout: '100s' }).catch((error: unknown) => error);
    if (CloisterError.is(outcome)) expect(outcome.code).toMatch(/^ERR_(USER_NOT_FOUND|KERNEL)$/);
    else expect((outcome as CommandResult).stdout).toMatch(/^(1200\n1300|0\n0)\n\/\n$/);
  }
  swap.kill('SIGKILL');
  expect((await swap).stderr).toBe('');
  expect(await box.exec(['echo', 'fine'])).toMatchObject({ stdout: 'fine\n' });
});
