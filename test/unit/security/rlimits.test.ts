import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { defaultRlimits, encodeRlimit, ownHardLimit, RLIMITS, UNLIMITED } from '../../../lib/security/rlimits.js';

const own = (hard: string): string =>
  `Limit           Soft Limit   Hard Limit   Units\nMax open files  1024         ${hard}         files\n`;

describe('the defaults', () => {
  test.each<[string, string, [number, number]]>([
    ['9223372036854775807', '1048576', [1024, 4096]],
    ['9223372036854775807', '2000', [1024, 2000]],
    ['9223372036854775807', '512', [512, 512]],
    // A quarter of the host's files for 256 processes.
    ['2097152', '1048576', [1024, 2048]],
    ['524288', '1048576', [512, 512]],
    ['1000', '1048576', [256, 256]],
    ['1000', '100', [100, 100]],
  ])('a host with %s files, an application with %s', (fileMax, hard, [soft, most]) => {
    expect(defaultRlimits({ fileMax: `${fileMax}\n`, ownLimits: own(hard) })).toEqual({
      core: { soft: 1, hard: 1 },
      nofile: { soft, hard: most },
    });
  });

  test('this host', () => {
    const fileMax = readFileSync('/proc/sys/fs/file-max', 'latin1');
    const { nofile } = defaultRlimits({ fileMax, ownLimits: readFileSync('/proc/self/limits', 'latin1') });
    expect(nofile?.hard).toBeGreaterThan(100);
  });

  test('a text that says nothing limits nothing', () => {
    expect(defaultRlimits({ fileMax: '2097152', ownLimits: '' }).nofile).toEqual({ soft: 1024, hard: 2048 });
  });
});

test('the hard limits of this process', () => {
  const text = readFileSync('/proc/self/limits', 'latin1');
  const line = (name: string): string => new RegExp(`^${name}.*$`, 'm').exec(text)?.[0] ?? '';
  const numbers = { cpu: 'Max cpu time', nofile: 'Max open files', rttime: 'Max realtime timeout' } as const;
  for (const [name, title] of Object.entries(numbers)) {
    const hard = ownHardLimit(name as keyof typeof numbers, text);
    expect(line(title)).toMatch(new RegExp(`\\s${hard === Infinity ? 'unlimited' : hard}\\s`));
  }
  expect(ownHardLimit('nofile', '')).toBe(Infinity);
});

test('numbers as the kernel has them', () => {
  expect(encodeRlimit(0)).toBe(0n);
  expect(encodeRlimit(2 ** 53 - 1)).toBe(2n ** 53n - 1n);
  expect(encodeRlimit(Infinity)).toBe(UNLIMITED);
  expect(UNLIMITED).toBe(2n ** 64n - 1n);
  expect(new Set(Object.values(RLIMITS)).size).toBe(16);
  expect(RLIMITS).toMatchObject({ cpu: 0, stack: 3, core: 4, nproc: 6, nofile: 7, memlock: 8, rttime: 15 });
});
