import { describe, expect, test } from 'vitest';
import { STAGES, type Refusal, type Stage } from '../../../lib/native/status.js';
import { refusalError } from '../../../lib/runtime/refusal.js';

const EPERM = 1;
const ENOENT = 2;
const E2BIG = 7;
const ENOEXEC = 8;
const EAGAIN = 11;
const EACCES = 13;
const EXDEV = 18;
const ENOTDIR = 20;
const EINVAL = 22;
const ELOOP = 40;

const given = (stage: Stage, syscall: string, errno: number, subject: string): Refusal => ({
  stage,
  syscall,
  errno,
  subject,
});

describe('what a refused start means', () => {
  test.each<[Refusal, string, string]>([
    [given('exec', 'execve(2)', ENOENT, 'nope'), 'ERR_COMMAND_NOT_FOUND', 'nope'],
    [given('exec', 'execve(2)', EACCES, '/etc/passwd'), 'ERR_COMMAND_NOT_EXECUTABLE', '/etc/passwd'],
    [given('exec', 'execve(2)', ENOEXEC, '/x'), 'ERR_COMMAND_NOT_EXECUTABLE', '/x'],
    [given('exec', 'execve(2)', ELOOP, '/x'), 'ERR_COMMAND_NOT_EXECUTABLE', '/x'],
    [given('exec', 'execve(2)', ENOTDIR, '/etc/passwd/x'), 'ERR_COMMAND_NOT_EXECUTABLE', '/etc/passwd/x'],
    [given('exec', 'execve(2)', E2BIG, '/x'), 'ERR_INVALID_OPTION', 'command'],
    [given('cgroup', 'clone3(2)', EAGAIN, 'command'), 'ERR_KERNEL', 'limits.pids'],
    [given('cgroup', 'clone3(2)', EPERM, 'command'), 'ERR_KERNEL', 'command'],
    [given('sysctl', 'openat2(2)', ENOENT, 'proc/sys/net/ipv4/no'), 'ERR_INVALID_OPTION', 'sysctls.net.ipv4.no'],
    [given('sysctl', 'write(2)', EINVAL, 'proc/sys/kernel/shmmax'), 'ERR_INVALID_OPTION', 'sysctls.kernel.shmmax'],
    [given('sysctl', 'write(2)', EPERM, 'proc/sys/kernel/shmmax'), 'ERR_KERNEL', 'proc/sys/kernel/shmmax'],
    [given('mount', 'move_mount(2)', EINVAL, 'etc/passwd'), 'ERR_INVALID_OPTION', '/etc/passwd'],
    [given('mount', 'openat2(2)', ENOTDIR, 'etc/passwd/x'), 'ERR_INVALID_OPTION', '/etc/passwd/x'],
    [given('mount', 'move_mount(2)', EINVAL, 'proc'), 'ERR_KERNEL', 'proc'],
    [given('mount', 'move_mount(2)', EINVAL, '/'), 'ERR_KERNEL', '/'],
    [given('cwd', 'chdir(2)', ENOENT, '/no'), 'ERR_CWD_NOT_FOUND', '/no'],
    [given('cwd', 'chdir(2)', EACCES, '/root'), 'ERR_CWD_NOT_FOUND', '/root'],
    [given('user', 'passwd(5)', ENOENT, 'bob'), 'ERR_USER_NOT_FOUND', 'bob'],
    [given('user', 'group(5)', ENOENT, 'staff'), 'ERR_USER_NOT_FOUND', 'staff'],
    [given('user', '/etc/passwd', ENOENT, 'bob'), 'ERR_USER_NOT_FOUND', 'bob'],
    [given('user', '/etc/group', ENOENT, 'staff'), 'ERR_USER_NOT_FOUND', 'staff'],
    [given('user', 'stat(2)', EINVAL, '/etc/passwd'), 'ERR_USER_NOT_FOUND', '/etc/passwd'],
    [given('user', 'openat2(2)', ELOOP, '/etc/group'), 'ERR_USER_NOT_FOUND', '/etc/group'],
    [given('user', 'setresuid(2)', EINVAL, ''), 'ERR_USER_NOT_FOUND', 'user'],
    [given('user', 'setgroups(2)', EINVAL, ''), 'ERR_USER_NOT_FOUND', 'user'],
    [given('user', 'setresuid(2)', EPERM, ''), 'ERR_KERNEL', ''],
    [given('rlimit', 'prlimit(2)', EPERM, '7'), 'ERR_PERMISSION', 'rlimits.nofile'],
    [given('source', 'mount_setattr(2)', EINVAL, 'mount attributes'), 'ERR_KERNEL', 'mount attributes'],
    [given('mount', 'openat2(2)', ELOOP, 'proc'), 'ERR_IMAGE_INVALID', 'proc'],
    [given('mount', 'openat2(2)', ENOTDIR, 'dev/pts'), 'ERR_IMAGE_INVALID', 'dev/pts'],
    [given('mount', 'mount target', EXDEV, 'data'), 'ERR_IMAGE_INVALID', 'data'],
    [given('mount', 'mount target', ENOENT, 'data'), 'ERR_IMAGE_INVALID', 'data'],
    [given('mount', 'openat2(2)', ELOOP, 'process'), 'ERR_KERNEL', 'process'],
    [given('mount', 'fsopen(2)', EPERM, 'proc'), 'ERR_KERNEL', 'proc'],
  ])('%j', (refusal, code, subject) => {
    const error = refusalError(refusal);
    expect(error).toMatchObject({ code, subject });
    expect(error.hint ?? '').not.toBe('');
    expect(error.message).toContain(subject);
  });

  test('a file system that cannot map ids has no path to tell', () => {
    expect(refusalError(given('source', 'mount_setattr(2)', EINVAL, 'idmapped mount'))).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      syscall: 'mount_setattr(2)',
      errno: 'EINVAL',
    });
  });

  test('a user and a group are told apart', () => {
    expect(refusalError(given('user', 'passwd(5)', ENOENT, 'x')).message).toMatch(/^no user "x"/);
    expect(refusalError(given('user', 'group(5)', ENOENT, 'x')).message).toMatch(/^no group "x"/);
    expect(refusalError(given('user', 'group(5)', ENOENT, 'x')).hint).toContain('/etc/group');
    expect(refusalError(given('user', '/etc/passwd', ENOENT, 'x')).hint).toContain('has no /etc/passwd');
    expect(refusalError(given('user', '/etc/group', ENOENT, 'x')).message).toMatch(/^no group "x"/);
  });
});

describe('every stage', () => {
  test.each(STAGES)('%s: what has no meaning of its own is the kernel’s word', (stage) => {
    const error = refusalError(given(stage, 'some_call(2)', 5, 'a subject'));
    expect(error).toMatchObject({ syscall: 'some_call(2)', errno: 'EIO', subject: 'a subject' });
    expect(error.message).toContain('EIO');
    if (error.code === 'ERR_KERNEL') expect(error.message).toContain(`stage '${stage}'`);
  });
});
