import { describe, expect, test } from 'vitest';
import { CloisterError } from '../../../../lib/errors.js';
import { ARCHITECTURES, type SeccompArchitecture } from '../../../../lib/security/seccomp/architectures.js';
import { seccompProgram } from '../../../../lib/security/seccomp/cache.js';
import { parseSeccompProfile, type SeccompProfile } from '../../../../lib/security/seccomp/profile.js';
import { decode, run, verify } from '../../../support/bpf.js';

const ALLOW = 0x7fff_0000;
const errno = (number: number): number => 0x0005_0000 + number;

function filter(profile: SeccompProfile, capabilities: string[] = []) {
  const context = {
    capabilities: new Set(capabilities as never[]),
    kernelVersion: [6, 18],
    architecture: 'x64',
  } as const;
  const { program } = seccompProgram(parseSeccompProfile(profile), context);
  expect(verify(program)).toBeUndefined();
  const code = decode(program);
  return (name: string | number, args: bigint[] = [], architecture: SeccompArchitecture = 'X86_64') => {
    const { syscalls, audit, bit } = ARCHITECTURES[architecture];
    return run(code, { number: (typeof name === 'number' ? name : (syscalls.get(name) ?? -1)) | bit, audit, args });
  };
}

describe('decisions', () => {
  test('a ban on top of allowing everything', () => {
    const decide = filter({
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [{ names: ['mkdir'], action: 'SCMP_ACT_ERRNO', errnoRet: 13 }],
    });
    expect([decide('mkdir'), decide('rmdir'), decide(9999)]).toEqual([errno(13), ALLOW, ALLOW]);
  });

  test.each([
    ['SCMP_ACT_KILL', 0],
    ['SCMP_ACT_KILL_THREAD', 0],
    ['SCMP_ACT_KILL_PROCESS', 0x8000_0000],
    ['SCMP_ACT_TRAP', 0x0003_0000],
    ['SCMP_ACT_LOG', 0x7ffc_0000],
    ['SCMP_ACT_TRACE', 0x7ff0_0001],
    ['SCMP_ACT_ERRNO', errno(1)],
  ])('%s', (action, value) => {
    expect(filter({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['mkdir'], action }] })('mkdir')).toBe(value);
  });

  test.each([
    ['SCMP_CMP_EQ', 5n, [5n], [4n, 6n, 5n | (1n << 32n)]],
    ['SCMP_CMP_NE', 5n, [4n, 6n, 5n | (1n << 32n)], [5n]],
    ['SCMP_CMP_LT', 5n, [0n, 4n], [5n, 6n, 1n << 32n]],
    ['SCMP_CMP_LE', 5n, [0n, 4n, 5n], [6n, 1n << 32n]],
    ['SCMP_CMP_GT', 5n, [6n, 1n << 32n], [0n, 5n]],
    ['SCMP_CMP_GE', 5n, [5n, 6n, 1n << 32n], [0n, 4n]],
    ['SCMP_CMP_LT', (1n << 32n) + 5n, [0n, 6n, 0xffff_ffffn, (1n << 32n) + 4n], [(1n << 32n) + 5n, 1n << 33n]],
    ['SCMP_CMP_GT', (1n << 32n) + 5n, [(1n << 32n) + 6n, 1n << 33n], [6n, 0xffff_ffffn, (1n << 32n) + 5n]],
    ['SCMP_CMP_EQ', 2n ** 64n - 1n, [2n ** 64n - 1n], [2n ** 64n - 2n, 0xffff_ffffn]],
  ])('%s %i', (op, value, holding, failing) => {
    const rule = { names: ['read'], action: 'SCMP_ACT_ALLOW', args: [{ index: 3, value, op }] };
    const decide = filter({ defaultAction: 'SCMP_ACT_ERRNO', syscalls: [rule] });
    for (const arg of holding) expect(decide('read', [0n, 0n, 0n, arg]), `${arg}`).toBe(ALLOW);
    for (const arg of failing) expect(decide('read', [0n, 0n, 0n, arg]), `${arg}`).toBe(errno(1));
  });

  test('a mask, over both halves', () => {
    const args = [{ index: 0, op: 'SCMP_CMP_MASKED_EQ', value: 0xf_0000_000fn, valueTwo: 0x3_0000_0005n }];
    const decide = filter({
      defaultAction: 'SCMP_ACT_ERRNO',
      syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW', args }],
    });
    expect(decide('read', [0xf3_ffff_fff5n])).toBe(ALLOW);
    expect(decide('read', [0xf3_ffff_fff4n])).toBe(errno(1));
    expect(decide('read', [0xf2_ffff_fff5n])).toBe(errno(1));
  });

  test('all conditions of a rule, any rule of a system call', () => {
    const both = [
      { index: 0, op: 'SCMP_CMP_EQ', value: 1 },
      { index: 1, op: 'SCMP_CMP_GT', value: 10 },
    ];
    const other = [{ index: 0, op: 'SCMP_CMP_EQ', value: 7 }];
    const rules = [both, other].map((args) => ({ names: ['read'], action: 'SCMP_ACT_ALLOW', args }));
    const decide = filter({ defaultAction: 'SCMP_ACT_ERRNO', syscalls: rules });
    expect([decide('read', [1n, 11n]), decide('read', [7n, 0n])]).toEqual([ALLOW, ALLOW]);
    expect([decide('read', [1n, 10n]), decide('read', [2n, 11n])]).toEqual([errno(1), errno(1)]);
  });

  test('several conditions on one argument are alternatives', () => {
    const args = [1, 2].map((value) => ({ index: 0, op: 'SCMP_CMP_EQ', value }));
    const decide = filter({
      defaultAction: 'SCMP_ACT_ERRNO',
      syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW', args }],
    });
    expect([1n, 2n, 3n].map((value) => decide('read', [value]))).toEqual([ALLOW, ALLOW, errno(1)]);
  });

  test('Docker: includes and excludes', () => {
    const decide = (capabilities: string[]): number[] => {
      const profile: SeccompProfile = {
        defaultAction: 'SCMP_ACT_ERRNO',
        syscalls: [
          { names: ['mount'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN', 'CAP_BPF'] } },
          { names: ['chroot'], action: 'SCMP_ACT_ALLOW', excludes: { caps: ['CAP_SYS_ADMIN', 'CAP_BPF'] } },
          { names: ['read'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['arm64'] } },
          { names: ['write'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['amd64'], minKernel: '6.18' } },
          { names: ['open'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '6.19' } },
        ],
      };
      return ['mount', 'chroot', 'read', 'write', 'open'].map((name) => filter(profile, capabilities)(name));
    };
    const no = errno(1);
    expect(decide([])).toEqual([no, ALLOW, no, ALLOW, no]);
    expect(decide(['CAP_BPF'])).toEqual([no, no, no, ALLOW, no]);
    expect(decide(['CAP_BPF', 'CAP_SYS_ADMIN'])).toEqual([ALLOW, no, no, ALLOW, no]);
  });

  test('architectures: only those that are named, and the processor itself', () => {
    const profile = {
      defaultAction: 'SCMP_ACT_ALLOW',
      architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_S390'],
    };
    const decide = filter(profile);
    expect([decide('read'), decide('read', [], 'X86')]).toEqual([ALLOW, ALLOW]);
    expect([decide('read', [], 'X32'), decide('read', [], 'ARM')]).toEqual([0x8000_0000, 0x8000_0000]);
  });

  test('what is newer than the tables: ENOSYS, unless an errno for all was written down', () => {
    expect(filter({ defaultAction: 'SCMP_ACT_ERRNO' })(5000)).toBe(errno(38));
    expect(filter({ defaultAction: 'SCMP_ACT_ERRNO' })('mkdir')).toBe(errno(1));
    expect(filter({ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 1 })(5000)).toBe(errno(1));
    expect(filter({ defaultAction: 'SCMP_ACT_KILL_PROCESS' })(5000)).toBe(0x8000_0000);
  });

  test('a thousand rules with arguments: far jumps', () => {
    const args = (value: number) => [{ index: 0, op: 'SCMP_CMP_EQ', value }];
    const syscalls = Array.from({ length: 700 }, (_, value) => ({
      names: ['ioctl'],
      action: 'SCMP_ACT_ALLOW',
      args: args(value * 3),
    }));
    const decide = filter({ defaultAction: 'SCMP_ACT_ERRNO', architectures: ['SCMP_ARCH_X86_64'], syscalls });
    expect([0n, 3n, 2097n].map((value) => decide('ioctl', [value]))).toEqual([ALLOW, ALLOW, ALLOW]);
    expect([1n, 2100n].map((value) => decide('ioctl', [value]))).toEqual([errno(1), errno(1)]);
    expect(decide('close')).toBe(errno(1));
  });
});

describe('refusals name the field', () => {
  const rule = (more: object): object => ({
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['read'], action: 'SCMP_ACT_ERRNO', ...more }],
  });
  test.each<[unknown, string]>([
    [null, 'seccomp'],
    [[], 'seccomp'],
    ['strict', 'seccomp'],
    [{}, 'seccomp.defaultAction'],
    [{ defaultAction: 'ALLOW' }, 'seccomp.defaultAction'],
    [{ defaultAction: '__proto__' }, 'seccomp.defaultAction'],
    [{ defaultAction: 'SCMP_ACT_NOTIFY' }, 'seccomp.defaultAction'],
    [{ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 4096 }, 'seccomp.defaultErrnoRet'],
    [{ defaultAction: 'SCMP_ACT_ALLOW', syscals: [] }, 'seccomp.syscals'],
    [{ defaultAction: 'SCMP_ACT_ALLOW', listenerPath: '/run/x' }, 'seccomp.listenerPath'],
    [{ defaultAction: 'SCMP_ACT_ALLOW', flags: ['SECCOMP_FILTER_FLAG_NEW'] }, 'seccomp.flags[0]'],
    [rule({ action: 'SCMP_ACT_NOTIFY' }), 'seccomp.syscalls[0].action'],
    [rule({ errnoRet: -1 }), 'seccomp.syscalls[0].errnoRet'],
    [rule({ names: [] }), 'seccomp.syscalls[0].names'],
    [rule({ names: 'read' }), 'seccomp.syscalls[0].names'],
    [rule({ names: ['raed'] }), 'seccomp.syscalls[0].names'],
    [rule({ args: [{ index: 6, value: 0, op: 'SCMP_CMP_EQ' }] }), 'seccomp.syscalls[0].args[0].index'],
    [rule({ args: [{ index: 0, value: -1, op: 'SCMP_CMP_EQ' }] }), 'seccomp.syscalls[0].args[0].value'],
    [rule({ args: [{ index: 0, value: NaN, op: 'SCMP_CMP_EQ' }] }), 'seccomp.syscalls[0].args[0].value'],
    [rule({ args: [{ index: 0, value: 2 ** 60, op: 'SCMP_CMP_EQ' }] }), 'seccomp.syscalls[0].args[0].value'],
    [rule({ args: [{ index: 0, value: 2n ** 64n, op: 'SCMP_CMP_EQ' }] }), 'seccomp.syscalls[0].args[0].value'],
    [rule({ args: [{ index: 0, value: 0, op: 'EQ' }] }), 'seccomp.syscalls[0].args[0].op'],
    [rule({ includes: { caps: ['SYS_EVERYTHING'] } }), 'seccomp.syscalls[0].includes.caps[0]'],
    [rule({ includes: { minKernel: 'new' } }), 'seccomp.syscalls[0].includes.minKernel'],
  ])('%#: $1', (profile, subject) => {
    try {
      parseSeccompProfile(profile);
      expect.unreachable();
    } catch (error) {
      if (!CloisterError.is(error)) throw error;
      expect(error).toMatchObject({ code: 'ERR_SECCOMP_PROFILE', subject });
      expect(error.message).toContain(subject);
    }
  });

  test('a name of the future may be allowed, not banned', () => {
    expect(() =>
      parseSeccompProfile({
        defaultAction: 'SCMP_ACT_ERRNO',
        syscalls: [{ names: ['new_call'], action: 'SCMP_ACT_ALLOW' }],
      }),
    ).not.toThrow();
  });

  test('more than the kernel takes', () => {
    const args = (value: number) => [{ index: 0, op: 'SCMP_CMP_EQ', value }];
    const syscalls = Array.from({ length: 2000 }, (_, value) => ({
      names: ['ioctl'],
      action: 'SCMP_ACT_ALLOW',
      args: args(value),
    }));
    expect(() => filter({ defaultAction: 'SCMP_ACT_ERRNO', syscalls })).toThrow(/4096/);
  });
});
