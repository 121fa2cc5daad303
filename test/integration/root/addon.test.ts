import { closeSync, constants, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CloisterError } from '../../../lib/errors.js';
import { ADDON_EXPORTS, nativeParts } from '../../../lib/native/addon.js';
import { callAddon } from '../../../lib/native/kernel.js';

const { addon } = nativeParts();

/** What a call of the addon throws, as the library sees it. */
function refusal(call: () => unknown): CloisterError {
  try {
    callAddon(call);
  } catch (error) {
    if (CloisterError.is(error)) return error;
    throw error;
  }
  return expect.unreachable('the call did not fail');
}

describe('one list of native symbols', () => {
  test('what the addon exports is what the library names', () => {
    expect(Object.keys(addon).sort()).toEqual([...ADDON_EXPORTS].sort());
    for (const [name, value] of Object.entries(addon)) expect(value, name).toBeTypeOf('function');
  });

  test('the source names each of them once', () => {
    const source = readFileSync('addon/binding/module.cc', 'utf8');
    const added = [...source.matchAll(/\badd\("(\w+)"/g)].map(([, name]) => name);
    expect(added.sort()).toEqual([...ADDON_EXPORTS].sort());
  });

  test('a function knows its name', () => {
    for (const name of ADDON_EXPORTS) expect(addon[name].name).toBe(name);
  });
});

describe('a refused kernel call', () => {
  test.each<[string, () => unknown, object]>([
    ['a path', () => addon.cloneMount('/no/such/path', true), { syscall: 'openat2(2)', errno: 'ENOENT' }],
    ['a program', () => addon.sealedCopy('/no/such/file'), { syscall: 'open(2)', errno: 'ENOENT' }],
    ['a lock', () => addon.tryLock(-1), { syscall: 'fcntl(2) F_OFD_SETLK', errno: 'EBADF' }],
    ['a socket', () => addon.send(-1, 1, new Uint8Array(1), []), { syscall: 'sendmsg(2)', errno: 'EBADF' }],
    [
      'the other end of a terminal',
      () => addon.openTerminalPeer(-1),
      { syscall: 'ioctl(2) TIOCGPTPEER', errno: 'EBADF' },
    ],
    ['a terminal', () => addon.resizeTerminal(-1, 80, 24), { syscall: 'ioctl(2) TIOCSWINSZ', errno: 'EBADF' }],
    ['a filter', () => addon.attachDeviceFilter(-1, new Uint8Array(3)), { syscall: 'bpf(2)', errno: 'EINVAL' }],
    [
      'too many descriptors',
      () =>
        addon.send(
          1,
          1,
          new Uint8Array(0),
          Array.from({ length: 254 }, () => 0),
        ),
      { syscall: 'sendmsg(2)', errno: 'ETOOMANYREFS' },
    ],
  ])('%s', (_, call, facts) => {
    expect(refusal(call)).toMatchObject({ code: 'ERR_KERNEL', ...facts });
  });

  test('names what it was about', () => {
    const error = refusal(() => addon.cloneMount('/no/such/path', true));
    expect(error.subject).toBe('/no/such/path');
    expect(error.message).toContain('openat2(2) /no/such/path: ENOENT');
  });
});

describe('descriptors', () => {
  test('messages go through a pair of sockets, and one descriptor comes out', () => {
    const [ours, theirs] = addon.socketPair();
    const file = openSync('package.json', 'r');
    try {
      expect(addon.send(ours, 3, new Uint8Array(0), [file])).toBe(true);
      const received = addon.receiveFd(theirs);
      expect(received).not.toBe(file);
      const text = Buffer.alloc(1);
      readSync(received, text, 0, 1, 0);
      expect(text.toString()).toBe('{');
      closeSync(received);
    } finally {
      for (const fd of [ours, theirs, file]) closeSync(fd);
    }
  });

  test('a full socket is no error', () => {
    const [ours, theirs] = addon.socketPair();
    const body = new Uint8Array(100_000);
    let sent = 0;
    while (sent < 1000 && addon.send(ours, 1, body, [])) sent++;
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(1000);
    closeSync(ours);
    closeSync(theirs);
  });

  test('a part of a buffer is sent, not what lies around it', () => {
    const [ours, theirs] = addon.socketPair();
    const around = Buffer.from('secret body secret');
    expect(addon.send(ours, 1, around.subarray(7, 11), [])).toBe(true);
    const got = Buffer.alloc(64);
    // Type, size and "not in a memfd" come first.
    expect(readSync(theirs, got)).toBe(12 + 4);
    expect(got.toString('latin1', 12, 16)).toBe('body');
    closeSync(ours);
    closeSync(theirs);
  });

  test.each(['read', 'write'] as const)('our end (%s) of a pipe does not block', (ours) => {
    const [read, write] = addon.pipe(ours, 0);
    const flags = (fd: number): number =>
      parseInt(/flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1] ?? '', 8);
    expect((flags(read) & constants.O_NONBLOCK) !== 0).toBe(ours === 'read');
    expect((flags(write) & constants.O_NONBLOCK) !== 0).toBe(ours === 'write');
    writeSync(write, 'x');
    expect(readSync(read, Buffer.alloc(8))).toBe(1);
    closeSync(read);
    closeSync(write);
  });
});
