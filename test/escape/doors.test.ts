import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Sandbox, Volume, type RunOptions } from '../../lib/index.js';
import { compile, makeLab, sh } from '../support/attack.js';

/**
 * Two probes try every door they know: `programs/doors-files.c` and `programs/doors-calls.c` are the tables. With the default
 * options none is open. What the caller opens by name stays inside the sandbox's own namespaces.
 */
const lab = makeLab();
const probes = ['doors-files', 'doors-calls'];
for (const name of probes) compile(lab, name);
const mounts = [Volume.bind(dirname(compile(lab, 'doors-files')), '/attack', { readonly: true })];

interface Doors {
  readonly tried: string[];
  readonly open: string[];
}

async function tryAll(options: RunOptions<'utf8'>, prepare = ''): Promise<Doors> {
  const lines: string[] = [];
  for (const probe of probes) {
    const result = await Sandbox.run(sh(`${prepare}\nexec /attack/${probe}`), { mounts, timeout: '280s', ...options });
    expect(result, result.stderr).toMatchObject({ exitCode: 0, reason: 'exit' });
    lines.push(...result.stdout.trim().split('\n'));
  }
  const doors = lines.map((line) => /^(open|shut) (\w+)\r?$/.exec(line) ?? expect.unreachable(line));
  return {
    tried: doors.map(([, , name]) => name ?? ''),
    open: doors.filter(([, state]) => state === 'open').map(([, , name]) => name ?? ''),
  };
}

describe('none is open', () => {
  test('with the default options', async () => {
    const { tried, open } = await tryAll({});
    expect(new Set(tried).size).toBeGreaterThan(150);
    expect(open).toEqual([]);
  });

  test.each<[string, RunOptions<'utf8'>]>([
    ['a plain user', { user: 1000 }],
    ['a user by name', { user: 'nobody' }],
    ["profile: 'strict'", { security: { profile: 'strict' } }],
    ['a read-only root', { readonlyRoot: true, mounts: [...mounts, Volume.tmpfs('/tmp')] }],
  ])('with %s', async (_, options) => {
    expect((await tryAll(options)).open).toEqual([]);
  });

  test('with a living sandbox, either', async () => {
    await using box = await Sandbox.create({ mounts });
    for (const probe of probes) expect((await box.exec([`/attack/${probe}`])).stdout).not.toMatch(/^open/m);
  });
});

test('a terminal opens that terminal, and nothing else', async () => {
  expect((await tryAll({ tty: true })).open.sort()).toEqual(['dev_tty', 'foreign_terminal']);
});

test("network: 'host' opens the host's network, and nothing else", async () => {
  const allowed = ['other_links', 'reaches_outside', 'foreign_abstract_socket'];
  expect((await tryAll({ network: 'host' })).open.filter((name) => !allowed.includes(name))).toEqual([]);
});

test("userNamespace: 'host': root inside may look at its own init, which is still not to be traced, read or killed", async () => {
  const allowed = ['limit_init', 'init_fds', 'init_fdinfo', 'init_oom', 'init_clear_refs'];
  const { open } = await tryAll({ security: { userNamespace: 'host' } });
  expect(open.filter((name) => !allowed.includes(name))).toEqual([]);
});

/** System calls that the filter kept away; none of them reaches anything outside. */
const UNFILTERED = [
  'unshare_user', 'clone_user', 'clone3_user', 'bpf', 'perf', 'io_uring', 'userfaultfd', 'keyctl', 'add_key',
  'request_key', 'quota', 'fanotify', 'vsock', 'no_filter', 'cookie', 'line_discipline', 'line_discipline_compat',
]; // prettier-ignore

/** What CAP_SYS_ADMIN is for, in namespaces of one's own. */
const ADMIN = [
  'mount_tmpfs', 'mount_proc', 'mount_sysfs', 'mount_cgroup', 'mount_cgroup_v1', 'mount_overlay', 'mount_bind',
  'remount_proc_sys', 'remount_sys', 'propagate', 'unmask', 'open_tree', 'move_mount', 'fsopen', 'mount_setattr',
  'unshare_user', 'unshare_mount', 'unshare_pid', 'unshare_net', 'clone_user', 'clone3_user', 'setns_own', 'bpf',
  'perf', 'set_hostname', 'quota', 'fanotify', 'cookie', 'unmount_root', 'pivot',
]; // prettier-ignore

/** The other capabilities, over what belongs to the sandbox. */
const ALL = [
  ...ADMIN, 'limit_init', 'schedule_init', 'init_timerslack', 'reboot_call', 'packet_socket', 'raw_socket',
  'netfilter_options', 'take_link_down', 'capset_all', 'compare_init', 'hangup',
]; // prettier-ignore

/** Kernel parameters of the sandbox's own namespaces, and what the masks hide. */
const UNMASKED = [
  'ns_last_pid', 'user_limits', 'ip_forward', 'keys', 'interrupts', 'timer_list', 'firmware', 'acpi', 'powercap',
  'cgroupfs', 'sched_debug', 'scsi',
]; // prettier-ignore

describe('what is opened by name stays inside', () => {
  test.each<[string, RunOptions<'utf8'>, readonly string[]]>([
    ['no filter', { security: { seccomp: 'unconfined' } }, UNFILTERED],
    ['CAP_SYS_ADMIN', { security: { capabilities: { add: ['SYS_ADMIN'] } } }, ADMIN],
    ['every capability', { security: { capabilities: { add: ['ALL'] } } }, ALL],
    [
      'profile privileged',
      { security: { profile: 'privileged' } },
      [...ALL, ...UNFILTERED, ...UNMASKED, 'new_privileges'],
    ],
  ])('%s', async (_, options, allowed) => {
    const { open } = await tryAll(options);
    expect(open.filter((name) => !allowed.includes(name))).toEqual([]);
    // The probes do see doors that are open.
    expect(open.length).toBeGreaterThan(5);
  });

  /** A /proc and a /sys of one's own, without masks, and the old ones writable: what the kernel itself allows is what counts then. */
  test('CAP_SYS_ADMIN, after remounting and mounting everything anew', async () => {
    const prepare = `
      exec 2>/dev/null
      for path in /proc/sys /proc/sysrq-trigger /proc/irq /proc/bus /proc/fs /sys /dev /; do
        mount -o remount,bind,rw,dev,suid $path
      done
      for path in /proc/acpi /proc/kcore /proc/keys /proc/timer_list /proc/interrupts /sys/firmware; do umount $path; done
      mkdir -p /tmp/p /tmp/s && mount -t proc proc /tmp/p && mount --move /tmp/p /proc
      mount -t sysfs sysfs /tmp/s && mount --move /tmp/s /sys
      mount -t cgroup2 none /sys/fs/cgroup || mount -t cgroup -o memory none /sys/fs/cgroup
      exec 2>&1`;
    for (const add of [['SYS_ADMIN'], ['ALL']]) {
      const { open } = await tryAll({ security: { capabilities: { add } } }, prepare);
      const allowed = [...ALL, ...UNMASKED, 'remount_dev'];
      expect(open.filter((name) => !allowed.includes(name))).toEqual([]);
    }
  });
});
