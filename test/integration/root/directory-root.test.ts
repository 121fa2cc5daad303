import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Host, Sandbox } from '../../../lib/index.js';

let directory: string;

/** A root file system of one static program, Debian's busybox-static. */
beforeAll(() => {
  directory = mkdtempSync('/var/tmp/cloister-test-');
  for (const name of ['bin', 'etc', 'tmp']) mkdirSync(join(directory, name));
  copyFileSync('/bin/busybox', join(directory, 'bin/busybox'));
  for (const name of ['sh', 'ls', 'cat', 'id', 'touch', 'env']) symlinkSync('busybox', join(directory, 'bin', name));
  writeFileSync(join(directory, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nada:x:1200:1300::/home/ada:/bin/sh\n');
  writeFileSync(join(directory, 'etc/group'), 'root:x:0:\nada:x:1300:\nteam:x:1400:ada\n');
});

afterAll(async () => {
  await Host.default.close();
  rmSync(directory, { recursive: true });
});

test('a plain directory is a root file system', async () => {
  const result = await Sandbox.run(['sh', '-c', 'ls /; id; ls /dev/null /proc/self/status'], { image: { directory } });
  expect(result).toMatchObject({ exitCode: 0, stderr: '' });
  expect(result.stdout.split('\n').slice(0, 6)).toEqual(['bin', 'dev', 'etc', 'proc', 'sys', 'tmp']);
});

test('it stays as it was', async () => {
  const before = readdirSync(directory).sort();
  const result = await Sandbox.run(['sh', '-c', 'touch /new /etc/new; echo > /etc/passwd; ls /new'], {
    image: { directory },
  });
  expect(result).toMatchObject({ exitCode: 0, stdout: '/new\n' });
  expect(readdirSync(directory).sort()).toEqual(before);
  expect((await Sandbox.run(['cat', '/etc/passwd'], { image: { directory } })).stdout).toContain('ada');
});

test('users, groups and home come from its own files', async () => {
  const { stdout } = await Sandbox.run(['sh', '-c', 'id -u; id -G; id -un; echo $HOME'], {
    image: { directory },
    user: 'ada',
  });
  expect(stdout).toBe('1200\n1300 1400\nada\n/home/ada\n');
});

test('a command that only the host has is not found', async () => {
  await expect(Sandbox.run(['python3'], { image: { directory } })).rejects.toMatchObject({
    code: 'ERR_COMMAND_NOT_FOUND',
  });
});

test('a directory that is none is refused before anything is made', async () => {
  await expect(Sandbox.create({ image: { directory: '/no/such' } })).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
    subject: 'image.directory',
  });
});

describe('a root without a list of users', () => {
  const missing = '/nowhere/etc';

  test.each<[string, string, RegExp, (etc: string) => void]>([
    ['bob', 'bob', /has no \/etc\/passwd/, (etc) => mkdirSync(etc)],
    ['5:grp', 'grp', /has no \/etc\/group/, (etc) => mkdirSync(etc)],
    ['bob', 'bob', /has no \/etc\/passwd/, (etc) => symlinkSync(missing, etc)],
    ['5:grp', 'grp', /has no \/etc\/group/, (etc) => symlinkSync(missing, etc)],
    ['bob', 'bob', /has no \/etc\/passwd/, (etc) => writeFileSync(etc, '')],
  ])('user %j: no %s', async (user, subject, hint, makeEtc) => {
    const bare = mkdtempSync('/var/tmp/cloister-test-');
    try {
      mkdirSync(join(bare, 'bin'));
      copyFileSync('/bin/busybox', join(bare, 'bin/busybox'));
      makeEtc(join(bare, 'etc'));
      const image = { directory: bare };
      await expect(Sandbox.run(['busybox', 'id'], { image, user })).rejects.toMatchObject({
        code: 'ERR_USER_NOT_FOUND',
        subject,
        hint: expect.stringMatching(hint) as string,
      });
      expect((await Sandbox.run(['busybox', 'id', '-u'], { image, user: 5 })).stdout).toBe('5\n');
    } finally {
      rmSync(bare, { recursive: true });
    }
  });
});
