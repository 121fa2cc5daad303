import { describe, expect, test } from 'vitest';
import {
  DEVICE_NODES,
  MASKED_FROM_HOST_ROOT,
  MASKED_PATHS,
  type NAMESPACED_SYSCTLS,
  READONLY_PATHS,
  sysctlNamespace,
} from '../../../lib/security/kernel-paths.js';

test('Docker’s masked paths, all of them', () => {
  expect(MASKED_PATHS).toEqual(
    expect.arrayContaining([
      'proc/asound', 'proc/acpi', 'proc/interrupts', 'proc/kcore', 'proc/keys', 'proc/latency_stats', 'proc/timer_list',
      'proc/timer_stats', 'proc/sched_debug', 'proc/scsi', 'sys/firmware', 'sys/devices/virtual/powercap',
    ]),
  ); // prettier-ignore
});

test('Docker’s read-only paths, all of them', () => {
  expect(READONLY_PATHS).toEqual(
    expect.arrayContaining(['proc/bus', 'proc/fs', 'proc/irq', 'proc/sys', 'proc/sysrq-trigger']),
  );
});

test('paths are below the root, without a slash in front, each once', () => {
  const all = [...MASKED_PATHS, ...MASKED_FROM_HOST_ROOT, ...READONLY_PATHS];
  for (const path of all) expect(path).toMatch(/^(proc|sys)(\/[\w-]+)+$/);
  expect(new Set(all).size).toBe(all.length);
});

test('devices: those that can do no harm, and nothing of the host’s', () => {
  const numbers = DEVICE_NODES.filter(({ kind }) => kind === 'char' || kind === 'block').map(
    ({ kind, path, major, minor }) => [kind, path, major, minor],
  );
  expect(numbers).toEqual([
    ['char', 'null', 1, 3],
    ['char', 'zero', 1, 5],
    ['char', 'full', 1, 7],
    ['char', 'random', 1, 8],
    ['char', 'urandom', 1, 9],
    ['char', 'tty', 5, 0],
  ]);
});

describe('parameters of the kernel', () => {
  test.each<[string, keyof typeof NAMESPACED_SYSCTLS | undefined]>([
    ['kernel.msgmax', 'ipc'],
    ['kernel.sem', 'ipc'],
    ['kernel.shm_rmid_forced', 'ipc'],
    ['fs.mqueue.msg_max', 'ipc'],
    ['net.ipv4.ip_forward', 'network'],
    ['kernel.domainname', 'uts'],
    ['kernel.hostname', undefined],
    ['kernel.msgmaximum', undefined],
    ['kernel.core_pattern', undefined],
    ['kernel.panic', undefined],
    ['fs.mqueue', undefined],
    ['fs.file-max', undefined],
    ['net', undefined],
    ['network.x', undefined],
    ['vm.overcommit_memory', undefined],
    ['user.max_user_namespaces', undefined],
    ['', undefined],
  ])('%s belongs to %s', (name, namespace) => {
    expect(sysctlNamespace(name)).toBe(namespace);
  });
});
