import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import { Sandbox, type RunOptions } from '../../lib/index.js';
import { makeLab, sh } from '../support/attack.js';

/** What an attacker sees first, as tables: amicontained, deepce, CDK and botb report the same facts. */
makeLab();

async function look(line: string, options: RunOptions<'utf8'> = {}): Promise<string> {
  const { stdout, exitCode, stderr } = await Sandbox.run(sh(line), options);
  expect({ line, exitCode, stderr }).toEqual({ line, exitCode: 0, stderr: '' });
  return stdout.trim();
}

test('namespaces: all its own', async () => {
  const names = readdirSync('/proc/self/ns').filter((name) => !name.endsWith('_for_children'));
  expect(names.length).toBeGreaterThanOrEqual(8);
  for (const name of names)
    expect(await look(`readlink /proc/self/ns/${name}`)).not.toBe(readlinkSync(`/proc/self/ns/${name}`));
});

test('status: no new privileges, a filter, no capability beyond the table, ids of nobody', async () => {
  const status = await look('cat /proc/self/status');
  const field = (name: string): string | undefined => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1];
  expect(field('NoNewPrivs')).toBe('1');
  expect(field('Seccomp')).toBe('2');
  expect(field('CapEff')).toBe('00000000800405fb');
  expect(field('Groups')?.trim() ?? '').toBe('');
  expect(field('NSpid')).toMatch(/^\d$/);
  const [inside, outside, size] = (await look('cat /proc/self/uid_map')).trim().split(/\s+/).map(Number);
  expect([inside, size]).toEqual([0, 65_536]);
  expect(outside).toBeGreaterThanOrEqual(0x7000_0000);
  expect(await look('cat /proc/self/setgroups')).toBe('allow');
});

/** Where, what, and what of its flags must be there. */
const MOUNTS: [string, string, readonly string[]][] = [
  ['/', 'overlay', ['rw', 'nodev']],
  ['/usr', 'overlay', ['rw', 'nodev']],
  ['/dev', 'tmpfs', ['ro', 'nosuid', 'noexec']],
  ['/dev/pts', 'devpts', ['nosuid', 'noexec']],
  ['/dev/shm', 'tmpfs', ['nosuid', 'nodev', 'noexec']],
  ['/dev/mqueue', 'mqueue', ['nosuid', 'nodev', 'noexec']],
  ['/proc', 'proc', ['nosuid', 'nodev', 'noexec']],
  ['/proc/bus', 'proc', ['ro']],
  ['/proc/fs', 'proc', ['ro']],
  ['/proc/irq', 'proc', ['ro']],
  ['/proc/sys', 'proc', ['ro']],
  ['/proc/sysrq-trigger', 'proc', ['ro']],
  ['/sys', 'sysfs', ['ro', 'nosuid', 'nodev', 'noexec']],
];

describe('mounts', () => {
  test('are these and covers of masked paths, nothing else, and none tells where on the host anything lies', async () => {
    const lines = (await look('cat /proc/self/mountinfo')).split('\n');
    const seen = new Map<string, { type: string; flags: string[]; root: string }>();
    for (const line of lines) {
      expect(line).not.toMatch(/ (shared|master|propagate_from):/);
      const [, , , root = '', target = '', flags = ''] = line.split(' ');
      const type = line.split(' - ')[1]?.split(' ')[0] ?? '';
      seen.set(target, { type, flags: flags.split(','), root });
      // Layers are named by what they are below, not by a path of the host.
      expect(line).not.toMatch(/\/var\/lib\/cloister|\/run\/cloister|host-root/);
    }
    for (const [target, type, needed] of MOUNTS) {
      const found = seen.get(target);
      if (found === undefined && target.startsWith('/proc/')) continue;
      expect(found, target).toMatchObject({ type });
      for (const flag of needed) expect(found?.flags, `${target} ${flag}`).toContain(flag);
      seen.delete(target);
    }
    const covers =
      /^\/(proc\/(asound|acpi|interrupts|kcore|keys|latency_stats|timer_list|timer_stats|sched_debug|scsi)|sys\/.*)$/;
    for (const [target, { type, flags }] of seen) {
      if (/^\/(bin|sbin|lib|lib32|lib64|libx32)$/.test(target)) continue; // a host whose /usr is not merged
      expect(target).toMatch(covers);
      expect([type, flags.includes('ro')]).toEqual(['tmpfs', true]);
    }
  });

  test('no socket, no device, no state of the host is in reach', async () => {
    const line = 'find / -xdev \\( -type s -o -type b -o -type p \\) 2>/dev/null; ls /run | grep -v lock; true';
    expect(await look(line)).toBe('');
    expect(
      await look('find / -name "*docker*.sock" -o -name "containerd.sock" -o -name ".dockerenv" 2>/dev/null; true'),
    ).toBe('');
    expect(await look('find /dev -type c -o -type b | sort | tr "\\n" " "')).toBe(
      '/dev/full /dev/null /dev/pts/ptmx /dev/random /dev/tty /dev/urandom /dev/zero',
    );
  });
});

test('processes: init and itself', async () => {
  const pids = (await look('cd /proc; echo [0-9]*')).split(' ');
  expect(pids[0]).toBe('1');
  expect(pids.length).toBeLessThanOrEqual(2);
  expect(await look('cat /proc/1/comm /proc/1/cmdline')).toMatch(/^cloister-init\ncloister-launcher\0$/);
});

test.each<[string, RunOptions<'utf8'>]>([
  ['in the only command', {}],
  ['of a user', { user: 1000 }],
])('control groups: its own is the root, and where the application is does not show, %s', async (_, options) => {
  await using box = await Sandbox.create();
  const line = 'cat /proc/self/cgroup /proc/1/cgroup /proc/1/task/1/cgroup';
  for (const text of [await look(line, options), (await box.exec(sh(line), options)).stdout.trim()]) {
    for (const each of text.split('\n')) expect(each).toMatch(/^\d+:[^:]*:\/(\.\.)?(\/init)?$/);
  }
  for (const cpuset of (await look('cat /proc/1/cpuset /proc/self/cpuset 2>/dev/null; true', options)).split('\n')) {
    // Where v2 has no set of processors for the sandbox, it shares one some levels up; no name shows.
    expect(cpuset).toMatch(/^(\/|(\/\.\.)+)?(\/init)?$/);
  }
});

test('the environment is four words, the name is made up', async () => {
  process.env['CLOISTER_SECRET'] = 'secret';
  const names = (await look('env -0 | tr "\\0" "\\n" | sed "s/=.*//" | sort | tr "\\n" " "')).split(' ');
  delete process.env['CLOISTER_SECRET'];
  for (const name of names) expect(['HOME', 'PATH', 'PWD', 'SHLVL', 'OLDPWD', '_']).toContain(name);
  expect(await look('cat /proc/1/environ 2>/dev/null || echo unreadable')).toBe('unreadable');
  expect(await look('hostname')).not.toBe(hostname());
});

test('accounts and addresses of the host are not there', async () => {
  const hostUsers = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':')[0] ?? '')
    .filter((name) => name !== '');
  const inside = (await look('cut -d: -f1 /etc/passwd')).split('\n');
  expect(inside.sort()).toEqual(['bin', 'daemon', 'nobody', 'root', 'user', 'www-data']);
  expect(hostUsers.length).toBeGreaterThan(inside.length);
  expect(await look('cat /etc/resolv.conf /etc/machine-id')).toBe('');
  expect(await look('cat /etc/hosts | tr "\\t\\n" "  "')).toBe(
    '127.0.0.1 localhost ::1 localhost ip6-localhost ip6-loopback',
  );
  expect(await look('ls /sys/class/net /proc/sys/net/ipv4/conf | sort -u | tr "\\n" " "')).not.toMatch(
    /eth|ens|enp|docker|veth/,
  );
});

/** CVE-2022-0492: the file that names a program which the kernel runs on the host when a group is empty. */
test.each(['cgroup2', 'cgroup -o memory', 'cgroup -o pids', 'cgroup -o freezer', 'cgroup -o devices'])(
  'with CAP_SYS_ADMIN: a mounted %s shows no file that can be written, and no release_agent',
  async (what) => {
    const line = `
      mkdir -p /tmp/c; mount -t ${what} none /tmp/c 2>/dev/null || { echo none; exit 0; }
      [ -e /tmp/c/release_agent ] && (echo /x > /tmp/c/release_agent) 2>/dev/null && echo agent
      (echo 1 > /tmp/c/notify_on_release) 2>/dev/null && echo notify
      mkdir /tmp/c/new 2>/dev/null && echo made
      for f in $(find /tmp/c -type f \\( -name "*.max" -o -name "*.limit_in_bytes" -o -name "devices.allow" -o -name "cgroup.subtree_control" -o -name "cpuset.cpus" -o -name "freezer.state" \\)); do
        (cat $f > $f) 2>/dev/null && echo wrote $f
      done
      cat /tmp/c/release_agent 2>/dev/null; echo mounted`;
    for (const add of [['SYS_ADMIN'], ['ALL']]) {
      expect(await look(line, { security: { capabilities: { add } } })).toMatch(/^(mounted|none)$/);
    }
  },
);

test("network: 'host': no socket of ours has a name there (CVE-2020-15257)", async () => {
  const text = await look('cat /proc/net/unix', { network: 'host' });
  expect(text).not.toMatch(/cloister/);
});
