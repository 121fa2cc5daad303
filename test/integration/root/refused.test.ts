import { afterAll, expect, test } from 'vitest';
import { Host, Sandbox, Volume, type RunOptions } from '../../../lib/index.js';

afterAll(() => Host.default.close());

/** What only the kernel finds wrong: the error says which option, not which call. */
test.each<[string, RunOptions, string, RegExp]>([
  ['an unknown sysctl', { sysctls: { 'net.ipv4.nosuch': 1 } }, 'sysctls.net.ipv4.nosuch', /no such kernel parameter/],
  ['a family of sysctls', { sysctls: { 'net.ipv4': 1 } }, 'sysctls.net.ipv4', /no such kernel parameter/],
  ['a value', { sysctls: { 'net.ipv4.ip_forward': 'garbage' } }, 'sysctls.net.ipv4.ip_forward', /the value/],
  ['a number', { sysctls: { 'kernel.shmmax': 'garbage' } }, 'sysctls.kernel.shmmax', /the value/],
  ['a tmpfs on a file', { mounts: [Volume.tmpfs('/etc/passwd')] }, '/etc/passwd', /in the way/],
  ['a tmpfs below a file', { mounts: [Volume.tmpfs('/etc/passwd/x')] }, '/etc/passwd/x', /in the way/],
  ['a file on a directory', { mounts: [Volume.bind('/etc/passwd', '/tmp')] }, '/tmp', /not of one kind/],
])('%s', async (_, options, subject, message) => {
  await expect(Sandbox.run(['true'], options)).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
    subject,
    message: expect.stringMatching(message) as string,
    hint: expect.not.stringContaining('doctor') as string,
  });
});

test('more arguments than the kernel takes', async () => {
  const argv = ['true', ...Array.from({ length: 100 }, () => 'x'.repeat(100_000))];
  await expect(Sandbox.run(argv)).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
    subject: 'command',
    errno: 'E2BIG',
    hint: expect.stringContaining('stdin') as string,
  });
});
