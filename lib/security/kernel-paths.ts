import type { DeviceNode } from '../native/plan.js';

/**
 * Hidden from every sandbox: Docker's list. A path that this kernel does not have is passed over.
 * @see https://github.com/moby/moby/blob/master/daemon/pkg/oci/defaults.go
 */
export const MASKED_PATHS: readonly string[] = [
  'proc/asound',
  'proc/acpi',
  'proc/interrupts',
  'proc/kcore',
  'proc/keys',
  'proc/latency_stats',
  'proc/timer_list',
  'proc/timer_stats',
  'proc/sched_debug',
  'proc/scsi',
  'sys/firmware',
  'sys/devices/virtual/powercap',
];

/** Hidden besides where root inside is the host's root: their mode keeps everybody else out. They tell about the kernel's memory. */
export const MASKED_FROM_HOST_ROOT: readonly string[] = [
  'proc/kpagecgroup',
  'proc/kpagecount',
  'proc/kpageflags',
  'proc/pagetypeinfo',
  'proc/slabinfo',
  'proc/vmallocinfo',
];

/** Visible, never writable, not even for root inside. */
export const READONLY_PATHS: readonly string[] = ['proc/bus', 'proc/fs', 'proc/irq', 'proc/sys', 'proc/sysrq-trigger'];

/** One per processor; each leaks temperatures as a side channel (moby #42977). */
export const MASKED_PER_CPU = 'thermal_throttle';

/** Of one sandbox. The kernel has some 3,000 for all that are not the host's own, `kernel.pty.max`. */
export const MAX_TERMINALS = 256;

const EVERYONE = 0o666;

/** Everything in `/dev`; OCI runtime specification, "Default Devices". */
export const DEVICE_NODES: readonly DeviceNode[] = [
  { path: 'null', kind: 'char', major: 1, minor: 3, mode: EVERYONE },
  { path: 'zero', kind: 'char', major: 1, minor: 5, mode: EVERYONE },
  { path: 'full', kind: 'char', major: 1, minor: 7, mode: EVERYONE },
  { path: 'random', kind: 'char', major: 1, minor: 8, mode: EVERYONE },
  { path: 'urandom', kind: 'char', major: 1, minor: 9, mode: EVERYONE },
  { path: 'tty', kind: 'char', major: 5, minor: 0, mode: EVERYONE },
  { path: 'pts', kind: 'dir' },
  { path: 'shm', kind: 'dir' },
  { path: 'mqueue', kind: 'dir' },
  { path: 'ptmx', kind: 'link', target: 'pts/ptmx' },
  { path: 'fd', kind: 'link', target: '/proc/self/fd' },
  { path: 'stdin', kind: 'link', target: '/proc/self/fd/0' },
  { path: 'stdout', kind: 'link', target: '/proc/self/fd/1' },
  { path: 'stderr', kind: 'link', target: '/proc/self/fd/2' },
];

/**
 * Kernel parameters that belong to a namespace of the sandbox; all others would change the host.
 * A name that ends in `.` stands for everything below it.
 * @see https://man7.org/linux/man-pages/man7/ipc_namespaces.7.html
 */
export const NAMESPACED_SYSCTLS: Readonly<Record<'ipc' | 'network' | 'uts', readonly string[]>> = {
  ipc: [
    'kernel.msgmax',
    'kernel.msgmnb',
    'kernel.msgmni',
    'kernel.sem',
    'kernel.shmall',
    'kernel.shmmax',
    'kernel.shmmni',
    'kernel.shm_rmid_forced',
    'fs.mqueue.',
  ],
  network: ['net.'],
  uts: ['kernel.domainname'],
};

/** The namespace that a parameter belongs to; undefined for one of the host's. */
export function sysctlNamespace(name: string): keyof typeof NAMESPACED_SYSCTLS | undefined {
  for (const namespace of ['ipc', 'network', 'uts'] as const) {
    const matches = (known: string): boolean => (known.endsWith('.') ? name.startsWith(known) : name === known);
    if (NAMESPACED_SYSCTLS[namespace].some(matches)) return namespace;
  }
  return undefined;
}
