import { describe, expect, test } from 'vitest';
import { grantedCapabilities, type Capability } from '../../../../lib/security/capabilities.js';
import { ARCHITECTURES, type SeccompArchitecture } from '../../../../lib/security/seccomp/architectures.js';
import { seccompProgram } from '../../../../lib/security/seccomp/cache.js';
import { ALWAYS_ALLOWED } from '../../../../lib/security/seccomp/default-profile.js';
import type { SeccompContext } from '../../../../lib/security/seccomp/resolve.js';
import { decode, run, verify } from '../../../support/bpf.js';

const ALLOW = 0x7fff_0000;
const errno = (number: number): number => 0x0005_0000 + number;
const EPERM = errno(1);
const ENOSYS = errno(38);
const KILL = 0x8000_0000;

/** A function that says what the default filter makes of a call. */
function filter(add: Capability[] = [], context: Partial<SeccompContext> = {}) {
  const capabilities = grantedCapabilities('default', add, []);
  const { program } = seccompProgram('default', {
    capabilities,
    kernelVersion: [6, 18],
    architecture: 'x64',
    ...context,
  });
  expect(verify(program)).toBeUndefined();
  const code = decode(program);
  return (
    name: string | number,
    args: bigint[] = [],
    architecture: SeccompArchitecture = context.architecture === 'arm64' ? 'AARCH64' : 'X86_64',
  ) => {
    const { syscalls, audit, bit } = ARCHITECTURES[architecture];
    const number = typeof name === 'number' ? name : syscalls.get(name);
    if (number === undefined) throw new Error(`${architecture} has no ${name}`);
    return run(code, { number: number | bit, audit, args });
  };
}

test('as many system calls as the list it equals', () => {
  const names = Object.values(ALWAYS_ALLOWED).flatMap((text) => text.trim().split(/\s+/));
  expect(names).toHaveLength(361);
  expect(new Set(names).size).toBe(361);
});

describe('what hostile code would like most is refused', () => {
  test.each([
    'mount', 'umount2', 'unshare', 'setns', 'pivot_root', 'bpf', 'perf_event_open', 'keyctl', 'add_key', 'request_key',
    'init_module', 'finit_module', 'delete_module', 'kexec_load', 'kexec_file_load', 'open_by_handle_at', 'userfaultfd',
    'io_uring_setup', 'io_uring_enter', 'io_uring_register', 'reboot', 'swapon', 'settimeofday', 'clock_settime', 'iopl',
    'ioperm', 'acct', 'quotactl', 'move_mount', 'open_tree', 'fsopen', 'fsconfig', 'fsmount', 'mount_setattr', 'syslog',
    'kcmp', 'pidfd_getfd', 'process_madvise', 'lookup_dcookie', 'nfsservctl', 'uselib', 'vhangup', 'fanotify_init',
  ])('%s', (name) => {
    expect(filter()(name)).toBe(EPERM);
  }); // prettier-ignore
});

test.each(['X86_64', 'X86', 'X32'] as const)(
  '%s: every allowed name is allowed, whatever its arguments',
  (architecture) => {
    const decide = filter();
    for (const name of Object.values(ALWAYS_ALLOWED).join(' ').trim().split(/\s+/)) {
      if (!ARCHITECTURES[architecture].syscalls.has(name)) continue;
      expect(decide(name, [2n ** 64n - 1n, 1n, 2n], architecture), name).toBe(ALLOW);
    }
  },
);

test.each(['AARCH64', 'ARM'] as const)('%s, too', (architecture) => {
  const decide = filter([], { architecture: 'arm64' });
  for (const name of Object.values(ALWAYS_ALLOWED).join(' ').trim().split(/\s+/)) {
    if (ARCHITECTURES[architecture].syscalls.has(name)) expect(decide(name, [], architecture), name).toBe(ALLOW);
  }
  expect(decide('mount', [], architecture)).toBe(EPERM);
});

test('newer system calls do not exist, and code of other processors is ended', () => {
  const decide = filter();
  expect(decide(471)).toBe(ENOSYS);
  expect(decide(999)).toBe(ENOSYS);
  expect(decide(0x3fff_ffff)).toBe(ENOSYS);
  expect(decide(0xffff_ffff)).toBe(ENOSYS);
  expect(decide(999, [], 'X86')).toBe(ENOSYS);
  expect(decide(0, [], 'AARCH64')).toBe(KILL);
  expect(filter([], { architecture: 'arm64' })(0, [], 'X86_64')).toBe(KILL);
});

test('clone3 does not exist, clone makes no namespace', () => {
  const decide = filter();
  expect(decide('clone3')).toBe(ENOSYS);
  expect(decide('clone', [0x1200011n])).toBe(ALLOW);
  for (const flag of [0x20000n, 0x2000000n, 0x4000000n, 0x8000000n, 0x10000000n, 0x20000000n, 0x40000000n]) {
    expect(decide('clone', [flag | 17n])).toBe(EPERM);
    expect(decide('clone', [flag | (1n << 40n)])).toBe(EPERM);
  }
  const admin = filter(['CAP_SYS_ADMIN']);
  expect(admin('clone', [0x10000000n])).toBe(ALLOW);
  expect(admin('clone3')).toBe(ALLOW);
});

test('socket families, with anything in the upper half of the register', () => {
  const decide = filter();
  for (const high of [0n, 1n << 32n, 0xffff_ffffn << 32n]) {
    for (const family of [0n, 1n, 2n, 10n, 16n, 37n, 39n, 41n, 44n])
      expect(decide('socket', [high | family])).toBe(ALLOW);
    for (const family of [38n, 40n]) expect(decide('socket', [high | family])).toBe(EPERM);
  }
});

test('personalities', () => {
  const decide = filter();
  for (const value of [0n, 8n, 0x20000n, 0x20008n, 0xffffffffn]) expect(decide('personality', [value])).toBe(ALLOW);
  for (const value of [1n, 0x40000n, 0x1ffffffffn, 0x100000000n]) expect(decide('personality', [value])).toBe(EPERM);
});

test.each<[Capability, string[]]>([
  ['CAP_SYS_ADMIN', ['mount', 'unshare', 'setns', 'bpf', 'perf_event_open', 'syslog']],
  ['CAP_SYS_PTRACE', ['kcmp', 'process_madvise', 'pidfd_getfd']],
  ['CAP_SYS_TIME', ['settimeofday', 'clock_settime']],
  ['CAP_BPF', ['bpf']],
  ['CAP_PERFMON', ['perf_event_open']],
  ['CAP_SYSLOG', ['syslog']],
  ['CAP_SYS_NICE', ['mbind', 'set_mempolicy']],
  ['CAP_DAC_READ_SEARCH', ['open_by_handle_at']],
])('%s brings what it is for', (capability, names) => {
  const without = filter();
  const decide = filter([capability]);
  for (const name of names) expect([without(name), decide(name)], name).toEqual([EPERM, ALLOW]);
  expect(decide('keyctl')).toBe(EPERM);
});

test('ptrace needs a kernel that looks at the filter afterwards', () => {
  expect(filter([], { kernelVersion: [4, 7] })('ptrace')).toBe(EPERM);
  expect(filter([], { kernelVersion: [4, 8] })('ptrace')).toBe(ALLOW);
  expect(filter([], { kernelVersion: [5, 0] })('ptrace')).toBe(ALLOW);
});

test('the same context gives the same program', () => {
  const context: SeccompContext = { capabilities: new Set(['CAP_CHOWN']), kernelVersion: [6, 1], architecture: 'x64' };
  const first = seccompProgram('default', context);
  expect(seccompProgram('default', { ...context, capabilities: new Set(['CAP_CHOWN']) })).toBe(first);
  // Capabilities that no rule asks for do not matter.
  expect(seccompProgram('default', { ...context, capabilities: new Set(['CAP_KILL']) }).digest).toBe(first.digest);
  expect(seccompProgram('default', { ...context, capabilities: new Set(['CAP_BPF']) }).digest).not.toBe(first.digest);
});
