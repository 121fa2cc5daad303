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
const SYS_ADMIN_ONLY = '0000000000200000';
const NET_RAW_ONLY = '0000000000002000';
const KILL_ONLY = '0000000000000020';
const NET_RAW_TOO = '00000000800425fb';

interface Sets {
  readonly CapInh: string;
  readonly CapPrm: string;
  readonly CapEff: string;
  readonly CapBnd: string;
  readonly CapAmb: string;
}

const held = (mask: string): Sets => ({ CapInh: NONE, CapPrm: mask, CapEff: mask, CapBnd: mask, CapAmb: NONE });
/** Of a plain user: nothing but what was added by name, which only the ambient set carries through execve(2). */
const bounded = (mask: string, added = NONE): Sets => ({
  CapInh: added,
  CapPrm: added,
  CapEff: added,
  CapBnd: mask,
  CapAmb: added,
});

function parse(status: string): Record<string, string> {
  return Object.fromEntries(
    [...status.matchAll(/^(Cap\w+):\t(\w+)\r?$/gm)].map(([, name, mask]) => [name, mask] as const),
  ) as Record<string, string>;
}

const READ = ['grep', '^Cap', '/proc/self/status'];

/** For every kind of user, under every kind of grant: what the program holds at its start; last, what of it a plain user has. */
const GRANTS: [string, SandboxOptions['security'] & object, string, string?][] = [
  ['the default', {}, DEFAULT],
  ['profile strict', { profile: 'strict' }, NONE],
  ['CAP_SYS_ADMIN added', { capabilities: { add: ['SYS_ADMIN'] } }, SYS_ADMIN_TOO, SYS_ADMIN_ONLY],
  ['all but NET_RAW dropped', { capabilities: { drop: ['ALL'], add: ['NET_RAW'] } }, NET_RAW_ONLY, NET_RAW_ONLY],
  ['one of the default added by name', { capabilities: { add: ['KILL'] } }, DEFAULT, KILL_ONLY],
  [
    'one added, new privileges allowed',
    { noNewPrivileges: false, capabilities: { add: ['NET_RAW'] } },
    NET_RAW_TOO,
    NET_RAW_ONLY,
  ],
  // It would count outside of the sandbox.
  ["one added, the host's ids", { userNamespace: 'host', capabilities: { add: ['NET_RAW'] } }, NET_RAW_TOO],
  ['no filter', { seccomp: 'unconfined' }, DEFAULT],
  ['new privileges allowed', { noNewPrivileges: false }, DEFAULT],
  ["the host's ids", { userNamespace: 'host' }, DEFAULT],
];

const USERS: [string, ExecOptions<'utf8'>, (mask: string, added?: string) => Sets][] = [
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

describe.each(GRANTS)('%s', (_, security, mask, added) => {
  test.each(USERS)('%s', async (__, user, expected) => {
    await using box = await Sandbox.create({ security });
    expect(parse((await box.exec(READ, user)).stdout)).toEqual(expected(mask, added));
    expect(parse((await Sandbox.run(READ, { security, ...user })).stdout)).toEqual(expected(mask, added));
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

describe('an added capability of a plain user', () => {
  const security = { capabilities: { add: ['NET_RAW'] } };
  const asUser = { user: 1000 };
  const prepare = `
    cp /usr/bin/grep /tmp/plain && cp /usr/bin/grep /tmp/setuid && chmod 4755 /tmp/setuid
    cp /usr/bin/grep /tmp/other && chown 33 /tmp/other && chmod 4755 /tmp/other
    echo prepared`;

  test('goes on to what it executes, and no further than to its own user', async () => {
    await using box = await Sandbox.create({ security: { ...security, noNewPrivileges: false } });
    expect((await box.exec(['sh', '-c', prepare])).stdout).toBe('prepared\n');
    const read = async (program: string): Promise<Record<string, string>> =>
      parse((await box.exec(['sh', '-c', `exec ${program} ^Cap /proc/self/status`], asUser)).stdout);
    expect(await read('/tmp/plain')).toEqual(bounded(NET_RAW_TOO, NET_RAW_ONLY));
    // A change of user by the file takes the ambient set away, capabilities(7); what stays inheritable no file makes use of.
    expect(await read('/tmp/other')).toEqual({ ...bounded(NET_RAW_TOO), CapInh: NET_RAW_ONLY });
    expect(await read('/tmp/setuid')).toEqual({ ...held(NET_RAW_TOO), CapInh: NET_RAW_ONLY });
  });

  test('without new privileges the set-user-id bit counts for nothing', async () => {
    await using box = await Sandbox.create({ security });
    expect((await box.exec(['sh', '-c', prepare])).stdout).toBe('prepared\n');
    const { stdout } = await box.exec(['/tmp/setuid', '-E', '^(Cap|Uid|NoNewPrivs)', '/proc/self/status'], asUser);
    expect(parse(stdout)).toEqual(bounded(NET_RAW_TOO, NET_RAW_ONLY));
    expect(stdout).toContain('Uid:\t1000\t1000\t1000\t1000');
    expect(stdout).toContain('NoNewPrivs:\t1');
  });

  test('does what it is for', async () => {
    const open = ['python3', '-c', 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'];
    expect((await Sandbox.run(open, { security, user: 'nobody' })).exitCode).toBe(0);
    expect((await Sandbox.run(open, { user: 'nobody' })).stderr).toContain('PermissionError');
  });
});
