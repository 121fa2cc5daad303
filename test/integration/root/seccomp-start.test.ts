import { afterAll, describe, expect, test } from 'vitest';
import { Host, Sandbox } from '../../../lib/index.js';
import { rejection } from '../../support/rejection.js';

afterAll(() => Host.default.close());

describe.each(['SCMP_ACT_KILL_PROCESS', 'SCMP_ACT_KILL_THREAD', 'SCMP_ACT_ERRNO', 'SCMP_ACT_TRAP'])('%s', (action) => {
  test.each([true, false])('a profile that lets no program start says so (noNewPrivileges: %s)', async (strict) => {
    const security = { seccomp: { defaultAction: action, syscalls: [] }, noNewPrivileges: strict };
    for (const refused of [Sandbox.run(['true'], { security }), Sandbox.create({ security })]) {
      expect(await rejection(refused)).toMatchObject({
        code: 'ERR_SECCOMP_PROFILE',
        subject: 'execve',
        message: expect.stringContaining(`no program can start, execve gets ${action}`) as string,
      });
    }
    expect(Sandbox.list()).toEqual([]);
  });
});

const only = (...names: string[]) => ({
  seccomp: { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [{ names, action: 'SCMP_ACT_ALLOW' }] },
});

test('a program that starts and gets no further ends by itself', async () => {
  const { reason, exitCode } = await Sandbox.run(['true'], { security: only('execve'), timeout: '10s' });
  expect(reason).not.toBe('timeout');
  expect(exitCode).not.toBe(0);
});

test('a command that is not there is a typed error, also when the launcher itself may not exit', async () => {
  // A sanitizer asks for the second before a process leaves, and does not take no for an answer.
  const security = only('execve', 'sigaltstack');
  expect((await rejection(Sandbox.run(['/no/such'], { security, timeout: '10s' }))).code).toBe('ERR_COMMAND_NOT_FOUND');
  await using box = await Sandbox.create({ security });
  expect((await rejection(box.exec(['/no/such'], { timeout: '10s' }))).code).toBe('ERR_COMMAND_NOT_FOUND');
});
