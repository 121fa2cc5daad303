import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { Host, Sandbox } from '../../../lib/index.js';

afterAll(() => Host.default.close());

const read = async (file: string, network: 'none' | 'host'): Promise<string> =>
  (await Sandbox.run(['cat', file], { network })).stdout;

test.each(['/etc/resolv.conf', '/etc/hosts'])(
  '%s: the host’s on its network, nothing of it elsewhere',
  async (file) => {
    const own = await read(file, 'none');
    expect(await read(file, 'host')).toBe(readFileSync(file, 'utf8'));
    expect(await read(file, 'none')).toBe(own);
    expect(own).toBe(file === '/etc/hosts' ? '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' : '');
  },
);

test('it is a copy: what is written inside stays inside', async () => {
  const before = readFileSync('/etc/resolv.conf', 'utf8');
  const result = await Sandbox.run(['sh', '-c', 'echo changed > /etc/resolv.conf; cat /etc/resolv.conf'], {
    network: 'host',
  });
  expect(result).toMatchObject({ exitCode: 0, stdout: 'changed\n' });
  expect(readFileSync('/etc/resolv.conf', 'utf8')).toBe(before);
  expect(await read('/etc/resolv.conf', 'host')).toBe(before);
  const { stdout } = await Sandbox.run(['grep', '-c', ' /etc', '/proc/self/mountinfo'], { network: 'host' });
  expect(stdout).toBe('0\n');
});
