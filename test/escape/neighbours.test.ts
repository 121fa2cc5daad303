import {
  chmodSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { Sandbox, Volume, type SandboxOptions, type SandboxProcess } from '../../lib/index.js';
import { OutputBudget, OutputReader } from '../../lib/runtime/output.js';
import { compile, makeLab, makeRoot, saw, sh } from '../support/attack.js';

/** What two sandboxes can do to each other, without and with a directory that both may write to. */
const lab = makeLab();
let shared: string;
beforeEach(() => {
  shared = mkdtempSync(join(lab, 'shared-'));
  chmodSync(shared, 0o755);
});

const python = (program: string): string[] => ['python3', '-c', program];
const withVolume = (options: SandboxOptions = {}): Promise<Sandbox> =>
  Sandbox.create({ mounts: [Volume.bind(shared, '/vol')], ...options });

describe('without anything shared', () => {
  /** Nodes in /dev and the covers of masked paths were the same files in all sandboxes once. */
  test('inotify does not show what the other one opens', async () => {
    await using spy = await Sandbox.create();
    await using other = await Sandbox.create();
    const watch = spy.exec(
      python(`
import ctypes, os, struct, subprocess
libc = ctypes.CDLL(None)
fd = libc.inotify_init1(0o4000)
names = {}
for top in ('/dev', '/proc/acpi', '/proc/keys', '/proc/interrupts', '/proc/timer_list', '/proc/sys/kernel', '/sys/firmware',
            '/etc', '/usr', '/usr/bin', '/usr/lib', '/'):
  paths = [top] + ([os.path.join(top, name) for name in os.listdir(top)] if os.path.isdir(top) else [])
  for path in paths:
    if path.startswith('/dev/std') or path == '/dev/fd': continue
    names[libc.inotify_add_watch(fd, path.encode(), 0xfff & ~0x400)] = path
def drain():
  seen = set()
  try:
    while True:
      data, at = os.read(fd, 65536), 0
      while at < len(data):
        wd, mask, _, size = struct.unpack_from('iIII', data, at)
        seen.add((names[wd], hex(mask))); at += 16 + size
  except BlockingIOError: return sorted(seen)
drain()
print('watching', len(names) > 100, flush=True)
os.read(0, 1)
print('saw', drain(), flush=True)
subprocess.run(['cat', '/dev/null'])
print('own', len(drain()) > 0, flush=True)
`),
      { stdin: 'pipe' },
    );
    await saw(watch, 'watching True');
    const busy =
      'for i in 1 2 3; do cat /dev/null /proc/keys /proc/interrupts; head -c1 /dev/zero; ls /dev /proc/acpi /sys/firmware /usr/bin /etc; done >/dev/null 2>&1';
    await other.exec(sh(busy));
    await Promise.all([1, 2, 3].map(() => Sandbox.run(sh(busy))));
    watch.stdin?.write('\n');
    const { stdout } = await watch;
    expect(stdout).toContain('saw []\n');
    expect(stdout).toContain('own True\n');
  });

  test('a lock on a file of the system does not hold the other one up', async () => {
    await using holder = await Sandbox.create();
    await using other = await Sandbox.create();
    const paths = ['/dev/null', '/dev/zero', '/dev', '/usr/bin/env', '/etc/passwd', '/usr', '/', '/sys/firmware'];
    const lock = `
import fcntl, os
for path in ${JSON.stringify(paths)}:
  fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
print('locked', flush=True)
`;
    const held = holder.exec(python(`${lock}\nimport time; time.sleep(600)`));
    await saw(held, 'locked');
    expect((await other.exec(python(lock))).stdout).toBe('locked\n');
  });

  test('nothing that has a number or a name is the same', async () => {
    await using one = await Sandbox.create();
    await using two = await Sandbox.create();
    const make = `
import ctypes, os, socket, time
libc = ctypes.CDLL(None, use_errno=True)
libc.shmget(4711, 4096, 0o1666); libc.semget(4711, 1, 0o1666); libc.msgget(4711, 0o1666)
libc.mq_open(b'/cloister', os.O_CREAT | os.O_RDWR, 0o666, 0)
s = socket.socket(socket.AF_UNIX); s.bind('\\0cloister'); s.listen()
t = socket.create_server(('127.0.0.1', 4711))
open('/dev/shm/cloister', 'w').close(); open('/tmp/cloister', 'w').close()
print('made', flush=True)
time.sleep(600)`;
    const look = `
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
found = [libc.shmget(4711, 0, 0) >= 0, libc.semget(4711, 0, 0) >= 0, libc.msgget(4711, 0) >= 0,
         libc.mq_open(b'/cloister', os.O_RDWR) >= 0, os.path.exists('/dev/shm/cloister'), os.path.exists('/tmp/cloister')]
for family, address in ((socket.AF_UNIX, '\\0cloister'), (socket.AF_INET, ('127.0.0.1', 4711))):
  try: socket.socket(family).connect(address); found.append(True)
  except OSError: found.append(False)
print(found.count(True))`;
    const maker = one.exec(python(make));
    await saw(maker, 'made');
    expect((await one.exec(python(look))).stdout).toBe('8\n');
    expect((await two.exec(python(look))).stdout).toBe('0\n');
  });
});

describe('through a shared directory', () => {
  /** Descriptors can be passed; they lead no further than where they came from. */
  test('a descriptor of a directory, of namespaces, of a process', async () => {
    const roots = ['a', 'b'].map((name) => makeRoot(lab, `passing-${name}`));
    for (const [index, root] of roots.entries()) writeFileSync(join(root, 'marker'), index === 0 ? 'of a' : 'of b');
    await using giver = await withVolume();
    await using taker = await withVolume({
      security: { capabilities: { add: ['SYS_ADMIN', 'SYS_PTRACE', 'SYS_CHROOT'] } },
    });
    await giver.exec(sh('echo giver > /marker'));
    await taker.exec(sh('echo taker > /marker'));
    const give = giver.exec(
      python(`
import os, socket, time
s = socket.socket(socket.AF_UNIX); s.bind('/vol/socket'); os.chmod('/vol/socket', 0o666); s.listen()
print('ready', flush=True)
c, _ = s.accept()
names = ['/', '/proc', '/proc/self', '/usr', '/dev', '/proc/self/ns/mnt', '/proc/self/ns/user', '/proc/self/ns/pid', '/proc/self/ns/net']
fds = [os.open(name, os.O_RDONLY) for name in names] + [os.pidfd_open(os.getpid())]
socket.send_fds(c, [b'x'], fds)
time.sleep(600)`),
    );
    await saw(give, 'ready');
    const { stdout, stderr } = await taker.exec(
      python(`
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
s = socket.socket(socket.AF_UNIX); s.connect('/vol/socket')
fds = socket.recv_fds(s, 1, 32)[1]
seen = set()
for fd in fds[:5]:
  os.fchdir(fd)
  for _ in range(64): os.chdir('..')
  seen.add(open('marker').read().strip() if os.path.exists('marker') else 'nothing')
  seen.update(name for name in os.listdir('.') if name in ('work', 'boot', 'initrd.img', 'lost+found'))
joined = [libc.setns(fd, 0) == 0 for fd in fds[5:]]
for kind in (0x10000000, 0x00020000, 0x20000000): joined.append(libc.setns(fds[9], kind) == 0)
traced = libc.syscall(438, fds[9], 1, 0) >= 0
def reads(path):
  try: return len(os.listdir(path)) > 0
  except OSError: return False
mem = reads(f'/proc/self/fd/{fds[2]}/fd') or reads(f'/proc/self/fd/{fds[2]}/root')
try: os.kill(-1, 0); killed = False
except OSError: killed = False
try: os.open('environ', os.O_RDONLY, dir_fd=fds[2]); os.read(os.open('environ', os.O_RDONLY, dir_fd=fds[2]), 1); mem = True
except OSError: pass
print(sorted(seen), any(joined), traced, mem)`),
    );
    expect(stderr).toBe('');
    // At most the root of the sandbox that gave it away.
    expect(stdout).toMatch(/^\['giver'(, 'nothing')?\] False False False\n$/);
  });

  test('a set-user-id or capable program gives nothing', async () => {
    await using maker = await withVolume();
    await maker.exec(sh('cp /usr/bin/grep /vol/grep && chmod 6755 /vol/grep && ls -l /vol/grep'));
    await using user = await withVolume({ security: { noNewPrivileges: false } });
    const { stdout } = await user.exec(['/vol/grep', '-E', '^(Uid|Gid|CapEff)', '/proc/self/status'], { user: 1000 });
    expect(stdout).toBe(`Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nCapEff:\t${'0'.repeat(16)}\n`);
  });

  test('device nodes are neither made nor opened', async () => {
    execFileSync('mknod', ['-m', '666', join(shared, 'null'), 'c', '1', '3']);
    execFileSync('mknod', ['-m', '666', join(shared, 'kmsg'), 'c', '1', '11']);
    for (const options of [
      {},
      { security: { capabilities: { add: ['ALL'] } } },
      { security: { userNamespace: 'host' as const } },
    ]) {
      await using box = await withVolume(options);
      const line = `
        mknod -m 666 /vol/made c 1 3 2>/dev/null && cat /vol/made && echo opened made
        mount -o remount,bind,dev /vol 2>/dev/null && echo remounted
        for node in null kmsg; do (: < /vol/$node) 2>/dev/null && echo opened $node; done; true`;
      expect((await box.exec(sh(line))).stdout).toBe('');
    }
  });

  /** Where root inside is the host's root, a node can be made; it still cannot be opened. */
  test('image directories: nodes that they ship stay shut, also for CAP_SYS_ADMIN', async () => {
    const root = makeRoot(lab, 'nodes');
    execFileSync('mknod', ['-m', '666', join(root, 'null'), 'c', '1', '3']);
    execFileSync('mknod', ['-m', '666', join(root, 'kmsg'), 'c', '1', '11']);
    const line = `
      for flags in remount,bind,dev remount,dev bind,remount,dev,suid; do mount -o $flags / 2>/dev/null; done
      mount --bind / /tmp 2>/dev/null; mount -o remount,bind,dev /tmp 2>/dev/null
      for node in /null /kmsg /tmp/null /tmp/kmsg; do (: < $node) 2>/dev/null && echo opened $node; done; true`;
    for (const add of [[], ['SYS_ADMIN'], ['ALL']]) {
      const security = { capabilities: { add } };
      expect((await Sandbox.run(sh(line), { image: { directory: root }, security })).stdout).toBe('');
      const privileged = { profile: 'privileged' as const };
      expect((await Sandbox.run(sh(line), { image: { directory: root }, security: privileged })).stdout).toBe('');
    }
  });

  test('a hard link leads to nothing outside, and a read-only mount stays so', async () => {
    writeFileSync(join(shared, 'file'), 'of the host\n');
    await using box = await Sandbox.create({
      mounts: [Volume.bind(shared, '/ro', { readonly: true }), Volume.bind(mkdtempSync(join(lab, 'rw-')), '/rw')],
      security: { capabilities: { add: ['SYS_ADMIN'] } },
    });
    const line = `
      exec 2>/dev/null
      ln /ro/file /rw/linked && echo linked
      for flags in remount,bind,rw remount,rw; do mount -o $flags /ro && echo remounted; done
      mount --bind /ro /tmp && mount -o remount,bind,rw /tmp && echo copied
      unshare -m sh -c 'mount -o remount,bind,rw /ro' && echo unshared
      echo changed > /ro/file && echo wrote; echo changed > /tmp/file && echo wrote; true`;
    const { stdout } = await box.exec(sh(line));
    expect(stdout.split('\n').filter((word) => word !== '')).toEqual([]);
    expect(readdirSync(shared)).toEqual(['file']);
  });

  test('what root inside makes belongs to the host root, in that directory only', async () => {
    await using box = await withVolume();
    await box.exec(sh('echo x > /vol/x; mkdir /vol/d; ln -s /etc/passwd /vol/link; chown 1000 /vol/x'));
    expect(statSync(join(shared, 'x')).uid).toBe(1000);
    expect(statSync(join(shared, 'd')).uid).toBe(0);
    expect(existsSync('/etc/cloister-x')).toBe(false);
  });
});

describe('output of a command that somebody else holds', () => {
  /** A pipe that another command keeps full made the end of the first one block the application for ten seconds. */
  test.each([{ tty: false }, { tty: true }])('its end does not wait for it, tty: $tty', async ({ tty }) => {
    const program = compile(lab, 'flood');
    await using box = await Sandbox.create({
      mounts: [Volume.bind(join(program, '..'), '/attack', { readonly: true })],
    });
    const first = box.exec(
      sh('echo $$ > /tmp/pid.new; mv /tmp/pid.new /tmp/pid; while [ ! -e /tmp/ready ]; do sleep 0.01; done; sleep 0.3'),
      {
        tty,
        maxOutput: '1GiB',
      },
    );
    const flood: SandboxProcess = box.exec(['/attack/flood', '/tmp/pid', '/tmp/ready', '3'], { timeout: '250s' });
    expect(await first).toMatchObject({ exitCode: 0, reason: 'exit' });
    flood.kill('SIGKILL');
    await flood;
  });

  /** Whoever writes faster than this reads is like a file without end. */
  test('what is taken at the end is what a pipe can hold', () => {
    const reader = new OutputReader(new OutputBudget(2 ** 30, () => undefined)).connect(openSync('/dev/zero', 'r'));
    reader.finish();
    const most = Number(readFileSync('/proc/sys/fs/pipe-max-size', 'latin1'));
    expect(reader.bytes.length).toBeGreaterThan(0);
    expect(reader.bytes.length).toBeLessThanOrEqual(most + 64 * 1024);
  });
});
