import { describe, expect, test } from 'vitest';
import { Sandbox, type ExecOptions, type SandboxOptions } from '../../lib/index.js';
import { makeLab } from '../support/attack.js';

/** CVE-2022-29162, CVE-2022-27650, CVE-2026-30892: capabilities that are inheritable, or stay with a plain user. */
makeLab();

/**
 * CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, FSETID 4, KILL 5, SETGID 6, SETUID 7, SETPCAP 8, NET_BIND_SERVICE 10, SYS_CHROOT 18, SETFCAP 31.
 * Written out, not computed from the table that the library uses.
 */
const DEFAULT = '00000000800405fb';
const NONE = '0000000000000000';
const SYS_ADMIN_TOO = '00000000802405fb';
const NET_RAW_ONLY = '0000000000002000';

interface Sets {
  readonly CapInh: string;
  readonly CapPrm: string;
  readonly CapEff: string;
  readonly CapBnd: string;
  readonly CapAmb: string;
}

const held = (mask: string): Sets => ({ CapInh: NONE, CapPrm: mask, CapEff: mask, CapBnd: mask, CapAmb: NONE });
const bounded = (mask: string): Sets => ({ CapInh: NONE, CapPrm: NONE, CapEff: NONE, CapBnd: mask, CapAmb: NONE });

function parse(status: string): Record<string, string> {
  return Object.fromEntries(
    [...status.matchAll(/^(Cap\w+):\t(\w+)\r?$/gm)].map(([, name, mask]) => [name, mask] as const),
  ) as Record<string, string>;
}

const READ = ['grep', '^Cap', '/proc/self/status'];

/** For every kind of user, under every kind of grant: what the program holds at its start. */
const GRANTS: [string, SandboxOptions['security'] & object, string][] = [
  ['the default', {}, DEFAULT],
  ['profile strict', { profile: 'strict' }, NONE],
  ['CAP_SYS_ADMIN added', { capabilities: { add: ['SYS_ADMIN'] } }, SYS_ADMIN_TOO],
  ['all but NET_RAW dropped', { capabilities: { drop: ['ALL'], add: ['NET_RAW'] } }, NET_RAW_ONLY],
  ['no filter', { seccomp: 'unconfined' }, DEFAULT],
  ['new privileges allowed', { noNewPrivileges: false }, DEFAULT],
  ["the host's ids", { userNamespace: 'host' }, DEFAULT],
];

const USERS: [string, ExecOptions<'utf8'>, (mask: string) => Sets][] = [
  ['root by default', {}, held],
  ['root by number', { user: 0 }, held],
  ['root by name', { user: 'root' }, held],
  ['root with groups', { user: { uid: 0, gid: 0, groups: [5] } }, held],
  ['a plain number', { user: 1000 }, bounded],
  ['a number without an entry', { user: 4242 }, bounded],
  ['uid and gid', { user: '1000:100' }, bounded],
  ["a user of root's group", { user: { uid: 1000, gid: 0 } }, bounded],
  ['a name', { user: 'nobody' }, bounded],
  ['a name with a group', { user: 'nobody:users' }, bounded],
  ['a user with a terminal', { user: 1000, tty: true }, bounded],
];

describe.each(GRANTS)('%s', (_, security, mask) => {
  test.each(USERS)('%s', async (__, user, expected) => {
    await using box = await Sandbox.create({ security });
    expect(parse((await box.exec(READ, user)).stdout)).toEqual(expected(mask));
    expect(parse((await Sandbox.run(READ, { security, ...user })).stdout)).toEqual(expected(mask));
  });
});

test('a plain user gains none by executing a set-user-id or capable program', async () => {
  const line = `
    cp /usr/bin/grep /tmp/grep && chmod 4755 /tmp/grep
    for mask in 1 0xffffffff; do
      cp /usr/bin/grep /tmp/capable$mask && chmod 755 /tmp/capable$mask
      python3 -c "import os, struct; os.setxattr('/tmp/capable$mask', 'security.capability', struct.pack('<5I', 0x02000001, $mask, 0, 0, 0))"
    done
    echo prepared`;
  await using box = await Sandbox.create();
  expect((await box.exec(['sh', '-c', line])).stdout).toBe('prepared\n');
  for (const program of ['/tmp/grep', '/tmp/capable1']) {
    const { stdout } = await box.exec([program, '-E', '^(Cap|Uid)', '/proc/self/status'], { user: 1000 });
    expect(parse(stdout)).toEqual(bounded(DEFAULT));
    expect(stdout).toContain('Uid:\t1000\t1000\t1000\t1000');
  }
  // More than the sandbox has: the kernel refuses, capabilities(7) "Safety checking for capability-dumb binaries".
  await expect(box.exec(['/tmp/capable0xffffffff'], { user: 1000 })).rejects.toMatchObject({
    code: 'ERR_COMMAND_NOT_EXECUTABLE',
  });
});

test('where new privileges are allowed, they end at the bounding set', async () => {
  await using box = await Sandbox.create({ security: { noNewPrivileges: false } });
  await box.exec(['sh', '-c', 'cp /usr/bin/grep /tmp/grep && chmod 4755 /tmp/grep']);
  const { stdout } = await box.exec(['/tmp/grep', '^Cap', '/proc/self/status'], { user: 1000 });
  expect(parse(stdout)).toEqual(held(DEFAULT));
});
