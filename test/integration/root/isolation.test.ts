import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Host, Sandbox, Volume, type RunOptions } from '../../../lib/index.js';
import { MASKED_PATHS, READONLY_PATHS } from '../../../lib/security/kernel-paths.js';

const sh = (line: string): string[] => ['sh', '-c', line];

async function output(line: string, options: RunOptions<'utf8'> = {}): Promise<string> {
  const { stdout, stderr, exitCode } = await Sandbox.run(sh(line), options);
  expect({ line, stderr, exitCode }).toEqual({ line, stderr: '', exitCode: 0 });
  return stdout;
}

let directory: string;
beforeAll(() => {
  directory = mkdtempSync('/var/tmp/cloister-test-');
});
afterAll(async () => {
  await Host.default.close();
  rmSync(directory, { recursive: true });
});

describe('namespaces', () => {
  test.each(['user', 'pid', 'mnt', 'net', 'ipc', 'uts', 'cgroup', 'time'])('%s is its own', async (name) => {
    const inside = (await output(`readlink /proc/self/ns/${name}`)).trim();
    expect(inside).toMatch(new RegExp(`^${name}:\\[\\d+\\]$`));
    expect(inside).not.toBe(readlinkSync(`/proc/self/ns/${name}`));
  });

  test('each sandbox has 65,536 ids that no other one has', async () => {
    const boxes = await Promise.all([Sandbox.create(), Sandbox.create()]);
    const maps = await Promise.all(
      boxes.map(async (box) => (await box.exec(['cat', '/proc/self/uid_map', '/proc/self/gid_map'])).stdout),
    );
    await Promise.all(boxes.map((box) => box.remove()));
    const starts = maps.map((map) => {
      const [uids, gids] = map
        .trim()
        .split('\n')
        .map((line) => line.trim().split(/ +/).map(Number));
      expect(uids).toEqual(gids);
      expect([uids?.[0], uids?.[2]]).toEqual([0, 65_536]);
      return uids?.[1] ?? 0;
    });
    expect(starts[0]).toBeGreaterThanOrEqual(0x7000_0000);
    expect(Math.abs((starts[0] ?? 0) - (starts[1] ?? 0))).toBeGreaterThanOrEqual(65_536);
  });

  test('processes of the host cannot be seen', async () => {
    const pids = (await output('cd /proc; echo [0-9]*')).trim().split(' ').map(Number);
    expect(Math.max(...pids)).toBeLessThan(10);
  });

  test('the network is loopback, and it is up', async () => {
    expect((await output('cd /sys/class/net; echo *')).trim()).toBe('lo');
    const program =
      'import socket\ns = socket.create_server(("127.0.0.1", 0))\nc = socket.create_connection(s.getsockname())\nc.send(b"x")\nprint(s.accept()[0].recv(1))';
    expect((await Sandbox.run(['python3', '-c', program])).stdout).toBe("b'x'\n");
  });

  test("network: 'host' is the host's, by name only", async () => {
    expect((await output('readlink /proc/self/ns/net', { network: 'host' })).trim()).toBe(
      readlinkSync('/proc/self/ns/net'),
    );
  });

  test('the host name is its own', async () => {
    expect(
      await output('hostname; hostname other; hostname', { security: { capabilities: { add: ['SYS_ADMIN'] } } }),
    ).toMatch(/^cloister-\w+\nother\n$/);
    expect(hostname()).not.toBe('other');
    expect(await output('hostname', { hostname: 'worker-1' })).toBe('worker-1\n');
  });

  test('clocks can be moved', async () => {
    const uptime = Number((await output('cat /proc/uptime', { clocks: { boottime: '1000h' } })).split(' ')[0]);
    expect(uptime).toBeGreaterThan(3_600_000);
    const monotonic = await Sandbox.run(
      ['python3', '-c', 'import time; print(time.clock_gettime(time.CLOCK_MONOTONIC))'],
      {
        clocks: { monotonic: '2000h' },
      },
    );
    expect(Number(monotonic.stdout)).toBeGreaterThan(7_200_000);
  });

  test('the command is the root of the control groups it can see', async () => {
    const lines = (await output('cat /proc/self/cgroup')).trim().split('\n');
    for (const line of lines) expect(line).toMatch(/:\/$/);
  });

  test("userNamespace: 'host' by name: root inside is root outside", async () => {
    const inside = await output('readlink /proc/self/ns/user; id -u', { security: { userNamespace: 'host' } });
    expect(inside).toBe(`${readlinkSync('/proc/self/ns/user')}\n0\n`);
  });
});

describe('file systems', () => {
  test('propagation is private and nothing of the host is mounted', async () => {
    const mounts = await output('cat /proc/self/mountinfo');
    expect(mounts).not.toMatch(/ (shared|master):/);
    for (const line of mounts.trim().split('\n')) {
      expect(line.split(' ')[4]).toMatch(/^\/($|usr$|dev($|\/)|proc($|\/)|sys($|\/))/);
    }
  });

  test("the host's programs are there, its data is not", async () => {
    expect(await output('ls /home /root /srv /mnt /media /opt /var/lib | grep -v : | grep -v ^$ || true')).toBe(
      'user\n',
    );
    expect(await output('ls /run')).toBe('lock\n');
    expect((await Sandbox.run(['cat', '/etc/shadow'])).exitCode).not.toBe(0);
  });

  test('one sandbox does not see what another one wrote, nor does the host', async () => {
    expect(
      await output('echo mine > /usr/bin/cloister-probe; echo > /etc/cloister-probe; cat /usr/bin/cloister-probe'),
    ).toBe('mine\n');
    expect(existsSync('/usr/bin/cloister-probe')).toBe(false);
    expect(existsSync('/etc/cloister-probe')).toBe(false);
    expect(await output('ls /usr/bin/cloister-probe /etc/cloister-probe 2>/dev/null || echo none')).toBe('none\n');
  });

  test('files of the system belong to root inside and cannot be changed by others', async () => {
    expect(await output('stat -c "%u:%g %a" /usr/bin/env /usr /etc/passwd /')).toBe(
      '0:0 755\n0:0 755\n0:0 644\n0:0 755\n',
    );
    expect((await Sandbox.run(sh('echo > /usr/bin/env'), { user: 1000 })).exitCode).not.toBe(0);
  });

  test('/dev is minimal', async () => {
    const names = await output('cd /dev; ls -A');
    expect(names.trim().split('\n').sort()).toEqual(
      [
        'fd',
        'full',
        'mqueue',
        'null',
        'ptmx',
        'pts',
        'random',
        'shm',
        'stderr',
        'stdin',
        'stdout',
        'tty',
        'urandom',
        'zero',
      ].sort(),
    );
    expect(await output('head -c 4 /dev/zero | od -An -tx1; echo x > /dev/null; head -c 8 /dev/urandom | wc -c')).toBe(
      ' 00 00 00 00\n8\n',
    );
  });

  test('masked paths have no content and read-only ones stay so', async () => {
    const masked = MASKED_PATHS.map((path) => `/${path}`);
    const show = await output(
      `for p in ${masked.join(' ')}; do [ -d $p ] && ls -A $p; [ -f $p ] && cat $p; done; true`,
    );
    expect(show).toBe('');
    for (const path of READONLY_PATHS.filter((each) => existsSync(`/${each}`))) {
      const options = await output(`grep " /${path} " /proc/self/mountinfo | cut -d" " -f6`);
      expect(options, path).toMatch(/^ro,/);
    }
  });

  test('/sys is read-only', async () => {
    expect(await output('grep " /sys " /proc/self/mountinfo | cut -d" " -f6')).toMatch(/^ro,nosuid,nodev,noexec/);
  });

  test('readonlyRoot', async () => {
    const result = await Sandbox.run(sh('touch /x /usr/x /etc/x /tmp/x'), { readonlyRoot: true });
    expect(result.stderr.match(/Read-only file system/g)).toHaveLength(4);
    expect(await output('touch /tmp/x; ls /tmp', { readonlyRoot: true, mounts: [Volume.tmpfs('/tmp')] })).toBe('x\n');
  });

  test('bind mounts, read-only too', async () => {
    writeFileSync(join(directory, 'in'), 'from the host\n', { mode: 0o644 });
    const at = (readonly: boolean): RunOptions<'utf8'> => ({ mounts: [Volume.bind(directory, '/data', { readonly })] });
    expect(await output('cat /data/in; echo from inside > /data/out', at(false))).toBe('from the host\n');
    expect(readFileSync(join(directory, 'out'), 'utf8')).toBe('from inside\n');
    expect((await Sandbox.run(sh('echo x > /data/in; rm /data/in'), at(true))).stderr).toMatch(/Read-only file system/);
    expect(readFileSync(join(directory, 'in'), 'utf8')).toBe('from the host\n');
  });

  test('a file as a bind mount', async () => {
    writeFileSync(join(directory, 'one'), '1\n');
    expect(
      await output('cat /etc/one', { mounts: [Volume.bind(join(directory, 'one'), '/etc/one', { readonly: true })] }),
    ).toBe('1\n');
  });

  test('tmpfs with a size', async () => {
    const mounts = [Volume.tmpfs('/scratch', { size: '1MiB' })];
    const result = await Sandbox.run(sh('dd if=/dev/zero of=/scratch/x bs=64K count=32'), { mounts });
    expect(result.stderr).toContain('No space left');
  });
});

describe('privileges', () => {
  test('capabilities are those of Docker less what the host forbids, and none is inheritable or ambient', async () => {
    const status = await output('grep Cap /proc/self/status');
    const sets = Object.fromEntries(
      status
        .trim()
        .split('\n')
        .map((line) => line.split(':\t')),
    ) as Record<string, string>;
    expect(sets).toEqual({
      CapInh: '0'.repeat(16),
      CapPrm: sets['CapEff'],
      CapEff: sets['CapEff'],
      CapBnd: sets['CapEff'],
      CapAmb: '0'.repeat(16),
    });
    expect(BigInt(`0x${sets['CapEff'] ?? ''}`) & ~0xa80425fbn).toBe(0n);
  });

  test("profile: 'strict' has none", async () => {
    expect(await output('grep CapBnd /proc/self/status', { security: { profile: 'strict' } })).toBe(
      `CapBnd:\t${'0'.repeat(16)}\n`,
    );
  });

  test('add and drop', async () => {
    const options: RunOptions<'utf8'> = { security: { capabilities: { drop: ['ALL'], add: ['NET_RAW'] } } };
    expect(await output('grep CapEff /proc/self/status', options)).toBe('CapEff:\t0000000000002000\n');
  });

  test('another user has no capability', async () => {
    expect(await output('grep CapEff /proc/self/status', { user: 1000 })).toBe(`CapEff:\t${'0'.repeat(16)}\n`);
  });

  test('no_new_privs is on, and off by name only', async () => {
    expect(await output('grep NoNewPrivs /proc/self/status')).toBe('NoNewPrivs:\t1\n');
    expect(await output('grep NoNewPrivs /proc/self/status', { security: { noNewPrivileges: false } })).toBe(
      'NoNewPrivs:\t0\n',
    );
  });

  test('the system call filter is on, and off by name only', async () => {
    expect(await output('grep Seccomp: /proc/self/status')).toBe('Seccomp:\t2\n');
    expect(await output('grep Seccomp: /proc/self/status', { security: { seccomp: 'unconfined' } })).toBe(
      'Seccomp:\t0\n',
    );
  });

  test('sysctls of its own namespaces', async () => {
    const sysctls = { 'net.ipv4.ip_unprivileged_port_start': 80, 'kernel.msgmax': 4096 };
    const read = Object.keys(sysctls).map((name) => `/proc/sys/${name.replaceAll('.', '/')}`);
    expect(await output(`cat ${read.join(' ')}`, { sysctls })).toBe('80\n4096\n');
    expect(readFileSync('/proc/sys/kernel/msgmax', 'utf8')).not.toBe('4096\n');
  });

  test('a device of the host by name, beside those that every sandbox has', async () => {
    const line = 'stat -c %F /dev/fuse; exec 3<>/dev/fuse; head -c 2 /dev/zero | wc -c; echo x > /dev/null';
    const options = { devices: ['/dev/fuse'] };
    expect(await output(line, options)).toBe('character special file\n2\n');
    await using box = await Sandbox.create(options);
    expect(await box.exec(sh(line))).toMatchObject({ stdout: 'character special file\n2\n', stderr: '' });
  });

  test('device rules of the caller come last', async () => {
    const deviceRules = [{ allow: false, type: 'c', major: 1, minor: 5, access: 'rw' }] as const;
    expect((await Sandbox.run(['head', '-c', '1', '/dev/zero'], { deviceRules })).stderr).toMatch(/not permitted/);
    expect(await output('head -c 2 /dev/urandom | wc -c', { deviceRules })).toBe('2\n');
  });
});
