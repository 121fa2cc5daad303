import { AARCH64 } from './syscalls/aarch64.js';
import { ARM } from './syscalls/arm.js';
import type { SyscallTable } from './syscalls/table.js';
import { X32 } from './syscalls/x32.js';
import { X86_64 } from './syscalls/x86-64.js';
import { X86 } from './syscalls/x86.js';

/** By the names that OCI profiles use, less `SCMP_ARCH_`. */
export type SeccompArchitecture = 'X86_64' | 'X86' | 'X32' | 'AARCH64' | 'ARM';

export interface ArchitectureFacts {
  /** `AUDIT_ARCH_*`, linux/audit.h: what `seccomp_data.arch` holds. x32 shares that of x86_64. */
  readonly audit: number;
  readonly syscalls: SyscallTable;
  /** What is set in every number: `__X32_SYSCALL_BIT`, asm/unistd.h. */
  readonly bit: number;
}

export const X32_BIT = 0x4000_0000;

export const ARCHITECTURES: Readonly<Record<SeccompArchitecture, ArchitectureFacts>> = {
  X86_64: { audit: 0xc000_003e, syscalls: X86_64, bit: 0 },
  X86: { audit: 0x4000_0003, syscalls: X86, bit: 0 },
  X32: { audit: 0xc000_003e, syscalls: X32, bit: X32_BIT },
  AARCH64: { audit: 0xc000_00b7, syscalls: AARCH64, bit: 0 },
  ARM: { audit: 0x4000_0028, syscalls: ARM, bit: 0 },
};

/** Processors as Node names them. */
export type Processor = 'x64' | 'arm64';

/** What a processor can run besides its own code, and how Docker's profiles call it (Go's names). */
export const PROCESSORS: Readonly<
  Record<
    Processor,
    { readonly native: SeccompArchitecture; readonly others: readonly SeccompArchitecture[]; readonly docker: string }
  >
> = {
  x64: { native: 'X86_64', others: ['X86', 'X32'], docker: 'amd64' },
  arm64: { native: 'AARCH64', others: ['ARM'], docker: 'arm64' },
};

interface Multiplexed {
  readonly through: 'socketcall' | 'ipc';
  readonly call: number;
}

/**
 * i386 reaches these through socketcall(2) and ipc(2), too, with the call's number as the first argument; linux/net.h and
 * linux/ipc.h.
 */
export const X86_MULTIPLEXED: ReadonlyMap<string, Multiplexed> = new Map<string, Multiplexed>([
  ...[
    'socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown setsockopt',
    'getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg',
  ]
    .join(' ')
    .split(' ')
    .map((name, index) => [name, { through: 'socketcall' as const, call: index + 1 }] as const),
  ...Object.entries({
    semop: 1,
    semget: 2,
    semctl: 3,
    semtimedop: 4,
    msgsnd: 11,
    msgrcv: 12,
    msgget: 13,
    msgctl: 14,
    shmat: 21,
    shmdt: 22,
    shmget: 23,
    shmctl: 24,
  }).map(([name, call]) => [name, { through: 'ipc' as const, call }] as const),
]);
