import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Sandbox, type RunOptions } from '../../lib/index.js';
import { makeLab, saw, sh } from '../support/attack.js';

/** The terminal of a command is one of the sandbox's own; what is done to it stays there. */
makeLab();
const python = (program: string): string[] => ['python3', '-c', program];

/** Requests of ioctl_tty(2) and ioctl_console(2) that reach beyond one's own terminal. */
const REQUESTS = `
import fcntl, os, struct
TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD, TIOCGPTPEER, TIOCSPTLCK = 0x5412, 0x541C, 0x541D, 0x5423, 0x5441, 0x40045431
CONSOLE = dict(VT_ACTIVATE=0x5606, VT_LOCKSWITCH=0x560B, KDSETMODE=0x4B3A, KDSKBENT=0x4B47, KDSKBSENT=0x4B49, PIO_FONT=0x4B61)
def tries(fd, request, argument=0):
  try: fcntl.ioctl(fd, request, argument); return True
  except OSError: return False
`;

describe('a command with a terminal', () => {
  test('cannot type into it, take the console, or use the requests of virtual consoles', async () => {
    const { stdout } = await Sandbox.run(
      python(`${REQUESTS}
done = []
for fd in (0, os.open('/dev/tty', os.O_RDWR)):
  if tries(fd, TIOCSTI, b'x'): done.append('TIOCSTI')
  if tries(fd, TIOCCONS): done.append('TIOCCONS')
  done += [f'TIOCLINUX {code}' for code in range(20) if tries(fd, TIOCLINUX, bytes([code]))]
  done += [name for name, request in CONSOLE.items() if tries(fd, request, 1)]
print('done', done)`),
      { tty: true },
    );
    expect(stdout).toContain('done []');
  });

  /** N_TTY, the usual one, is 0; others have been a way into the kernel (CVE-2014-0196, CVE-2017-2636, CVE-2023-6546). */
  test('loads no line discipline', async () => {
    const known = (): string[] =>
      execFileSync('sh', ['-c', 'cut -d" " -f1 /proc/tty/ldiscs /proc/modules 2>/dev/null; true'], { encoding: 'utf8' })
        .split('\n')
        .filter((name) => /^n_|slip|hdlc|ppp|gsm/.test(name));
    const before = known();
    await Sandbox.run(
      python(`${REQUESTS}
for number in range(1, 31):
  if tries(0, TIOCSETD, struct.pack('i', number)): tries(0, TIOCSETD, struct.pack('i', 0))`),
      { tty: true },
    );
    expect(known()).toEqual(before);
  });

  test.each<[string, RunOptions<'utf8'>]>([
    ['its own', { tty: true }],
    ['that it opens itself', {}],
    ['with a filter that allows all', { security: { seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [] } } }],
  ])('may not choose a line discipline, nor type: in a terminal %s', async (_, options) => {
    const { stdout } = await Sandbox.run(
      python(`${REQUESTS}
import ctypes, errno
ioctl, master = ctypes.CDLL(None, use_errno=True).ioctl, os.open('/dev/ptmx', os.O_RDWR | os.O_NOCTTY)
for request in (TIOCSETD, TIOCSTI, TIOCLINUX):
  for high in (0, 1 << 32, 1 << 63):
    ioctl(ctypes.c_int(master), ctypes.c_ulong(request | high), struct.pack('i', 0))
    print(errno.errorcode[ctypes.get_errno()])
    ctypes.set_errno(0)`),
      options,
    );
    expect(stdout.trim().split(/\s+/)).toEqual(Array.from({ length: 9 }, () => 'EPERM'));
  });

  test('sees its own terminals and no other sandbox, and the host has none of them', async () => {
    const host = readdirSync('/dev/pts').sort();
    await using one = await Sandbox.create();
    await using two = await Sandbox.create();
    const first = one.exec(sh('tty; sleep 600'), { tty: true });
    await saw(first, '/dev/pts/0');
    expect((await two.exec(sh('echo $(ls /dev/pts); tty'), { tty: true })).stdout).toBe('0 ptmx\r\n/dev/pts/0\r\n');
    expect((await one.exec(sh('echo $(ls /dev/pts)'))).stdout).toBe('0 ptmx\n');
    expect(readdirSync('/dev/pts').sort()).toEqual(host);
    first.kill('SIGKILL');
    await first;
  });

  test("opens its peers from the sandbox's own", async () => {
    const { stdout } = await Sandbox.run(
      python(`${REQUESTS}
master = os.open('/dev/ptmx', os.O_RDWR | os.O_NOCTTY)
tries(master, TIOCSPTLCK, struct.pack('i', 0))
peer = fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY)
print(os.readlink(f'/proc/self/fd/{peer}'), os.fstat(peer).st_dev == os.stat('/dev/pts').st_dev)`),
    );
    expect(stdout).toMatch(/^\/dev\/pts\/\d+ True\n$/);
  });

  test('of one user is not readable by another one', async () => {
    await using box = await Sandbox.create();
    const mine = box.exec(sh('ls -ln $(tty); sleep 600'), { tty: true, user: 1000 });
    expect(await saw(mine, '/dev/pts/0')).toMatch(/^crw--w---- 1 1000 /);
    const look = '(cat < /dev/pts/0) && echo read; (echo typed > /dev/pts/0) && echo wrote; true';
    expect((await box.exec(sh(`{ ${look}; } 2>/dev/null`), { user: 1001, timeout: '60s' })).stdout).toBe('');
    mine.kill('SIGKILL');
    await mine;
  });
});

describe('a command without a terminal', () => {
  test('has none, and cannot get the one of the application', async () => {
    const line = 'tty; (: < /dev/tty) 2>/dev/null && echo opened; ls /dev/pts';
    expect((await Sandbox.run(sh(line))).stdout).toBe('not a tty\nptmx\n');
    const steal = `${REQUESTS}
print('stolen', any(tries(fd, 0x540E, 1) for fd in (0, 1, 2)))`;
    expect((await Sandbox.run(python(steal))).stdout).toBe('stolen False\n');
  });

  test('can have terminals of its own', async () => {
    const { stdout } = await Sandbox.run(python('import pty; pty.spawn(["sh", "-c", "tty; echo inner"])'));
    expect(stdout).toMatch(/\/dev\/pts\/\d+\r?\ninner/);
  });
});

describe('what a hostile terminal sends', () => {
  test('arrives as bytes, whatever it is', async () => {
    const line = String.raw`printf '\033]0;title\007\033[6n\033[c\000\377\376\r\n\004\003\034'; echo over`;
    const { stdout, exitCode } = await Sandbox.run(sh(line), { tty: true, encoding: 'buffer' });
    expect(exitCode).toBe(0);
    const bytes = Buffer.from(stdout);
    expect(bytes.includes(Buffer.from([0x00, 0xff, 0xfe]))).toBe(true);
    expect(bytes.toString('latin1')).toContain('over');
  });

  test.each([
    ['closed', 'import os; os.close(0); os.close(1); os.close(2)'],
    ['hung up', `${REQUESTS}\ntries(0, 0x5437)`],
    [
      'exclusive, packed and locked',
      `${REQUESTS}\ntries(0, 0x540C); tries(0, 0x5420, struct.pack('i', 1)); tries(0, 0x5456, bytes([255] * 60))`,
    ],
    ['raw and full', 'import tty, os; tty.setraw(0); os.write(1, b"x" * 100000)'],
    [
      'kept by a process that left',
      'import os, signal; signal.signal(1, signal.SIG_IGN); os.fork() == 0 and os.setsid()',
    ],
    ['stopped', 'import os, termios; termios.tcflow(1, termios.TCOOFF)'],
  ])('%s: the command has an end, and the sandbox goes on', async (_, program) => {
    await using box = await Sandbox.create();
    const result = await box.exec(python(program), { tty: true, timeout: '60s' });
    expect(['exit', 'signal']).toContain(result.reason);
    expect(await box.exec(['echo', 'fine'], { tty: true })).toMatchObject({ exitCode: 0, stdout: 'fine\r\n' });
  });
});
