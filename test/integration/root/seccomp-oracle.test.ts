import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CAPABILITIES, grantedCapabilities, type Capability } from '../../../lib/security/capabilities.js';
import {
  ARCHITECTURES,
  PROCESSORS,
  type Processor,
  type SeccompArchitecture,
} from '../../../lib/security/seccomp/architectures.js';
import { seccompProgram } from '../../../lib/security/seccomp/cache.js';
import { DEFAULT_POLICY } from '../../../lib/security/seccomp/default-profile.js';
import type { SeccompPolicy, SeccompRule, SeccompVerdict } from '../../../lib/security/seccomp/policy.js';
import { parseSeccompProfile, type SeccompProfile } from '../../../lib/security/seccomp/profile.js';
import { decode, run, verify } from '../../support/bpf.js';

/** What libseccomp, Debian's libseccomp-dev, makes of the same rules. */
let directory: string;
let oracle: string;

beforeAll(() => {
  directory = mkdtempSync('/var/tmp/cloister-test-');
  oracle = join(directory, 'seccomp-oracle');
  const source = fileURLToPath(new URL('../../support/seccomp-oracle.c', import.meta.url));
  execFileSync('gcc', ['-O1', '-o', oracle, source, '-lseccomp']);
});
afterAll(() => rmSync(directory, { recursive: true }));

const ACTIONS = {
  ALLOW: 0x7fff0000,
  LOG: 0x7ffc0000,
  TRAP: 0x30000,
  KILL_PROCESS: 0x80000000,
  KILL_THREAD: 0,
  ERRNO: 0x50000,
  TRACE: 0x7ff00000,
};
const OPERATORS = { NE: 1, LT: 2, LE: 3, EQ: 4, GE: 5, GT: 6, MASKED_EQ: 7 };
const NAMES: Record<SeccompArchitecture, string> = {
  X86_64: 'x86_64',
  X86: 'x86',
  X32: 'x32',
  AARCH64: 'aarch64',
  ARM: 'arm',
};

const actionOf = ({ action, data }: SeccompVerdict): number => ACTIONS[action] + data;

function applies(
  { includes, excludes }: SeccompRule,
  capabilities: ReadonlySet<Capability>,
  processor: Processor,
): boolean {
  const { docker } = PROCESSORS[processor];
  if (includes.capabilities.some((name) => !capabilities.has(name))) return false;
  if (includes.architectures.length > 0 && !includes.architectures.includes(docker)) return false;
  return !excludes.capabilities.some((name) => capabilities.has(name)) && !excludes.architectures.includes(docker);
}

interface Oracle {
  readonly code: ReturnType<typeof decode>;
  /** Names that this libseccomp does not know yet. */
  readonly unknown: ReadonlySet<string>;
}

function ask(
  policy: SeccompPolicy,
  rules: readonly SeccompRule[],
  architectures: readonly SeccompArchitecture[],
): Oracle {
  const lines = architectures.map((name) => `arch ${NAMES[name]}`);
  for (const { names, verdict, conditions } of rules) {
    const text = conditions.map(
      ({ index, operator, value, datum }) => `${index} ${OPERATORS[operator]} ${value} ${datum}`,
    );
    for (const name of names) lines.push(['rule', actionOf(verdict), name, ...text].join(' '));
  }
  const { status, stdout, stderr } = spawnSync(oracle, [String(actionOf(policy.defaultVerdict))], {
    input: `${lines.join('\n')}\n`,
  });
  expect(status, stderr.toString()).toBe(0);
  const unknown = [...stderr.toString().matchAll(/^unknown (\S+)$/gm)].map(([, name]) => name ?? '');
  expect(verify(stdout)).toBeUndefined();
  return { code: decode(stdout), unknown: new Set(unknown) };
}

/** Values around everything that a condition compares with, and single bits. 32-bit code has no others than those of 32 bits. */
function sweep(rules: readonly SeccompRule[], name: string | undefined, is64: boolean): bigint[] {
  const conditions = rules
    .filter(({ names }) => name !== undefined && names.includes(name))
    .flatMap(({ conditions }) => conditions);
  const values = [
    0n,
    1n,
    2n,
    17n,
    0xffff_ffffn,
    ...conditions.flatMap(({ value, datum }) => [value - 1n, value, value + 1n, datum, value | datum]),
  ];
  for (let bit = 0n; bit < 64n; bit++) values.push(1n << bit, (1n << bit) | 17n);
  const most = is64 && !conditions.some(({ isInt }) => isInt) ? 2n ** 64n : 2n ** 32n;
  return values.filter((value) => value >= 0n && value < most);
}

function compare(policy: SeccompPolicy, capabilities: ReadonlySet<Capability>, processor: Processor): number {
  const rules = policy.rules.filter((rule) => applies(rule, capabilities, processor));
  const { native, others } = PROCESSORS[processor];
  const { code: theirs, unknown } = ask(policy, rules, [native, ...others]);
  const { program } = seccompProgram(policy, { capabilities, kernelVersion: [6, 18], architecture: processor });
  const ours = decode(program);
  let compared = 0;
  for (const architecture of [native, ...others]) {
    const { syscalls, bit, audit } = ARCHITECTURES[architecture];
    const nameOf = new Map([...syscalls].map(([name, number]) => [number, name]));
    const named = new Set(rules.flatMap(({ names }) => names));
    const highest = Math.max(
      ...[...syscalls].filter(([name, number]) => number < 0xf0000 && named.has(name)).map(([, number]) => number),
    );
    const last = policy.newer === 'than-profile' ? highest : 450;
    for (const number of [...Array(last + 1).keys(), ...[...syscalls.values()].filter((each) => each >= 0xf0000)]) {
      const name = nameOf.get(number);
      if (name !== undefined && unknown.has(name)) continue;
      for (const value of sweep(rules, name ?? 'socket', architecture === 'X86_64' || architecture === 'AARCH64')) {
        for (const args of [
          [value, 0n, 0n],
          [0n, value, 3n],
          [value, value, value],
        ]) {
          const data = { number: (number | bit) >>> 0, audit, args };
          const pair = [run(ours, data), run(theirs, data)].map((each) => each.toString(16));
          if (pair[0] !== pair[1])
            expect({ architecture, name, number, args, ours: pair[0] }).toEqual({ ours: pair[1] });
          compared++;
        }
      }
    }
  }
  return compared;
}

const SETS: [string, ReadonlySet<Capability>][] = [
  ['no capability', new Set()],
  ['the default ones', grantedCapabilities('default', [], [])],
  ['CAP_SYS_ADMIN', new Set<Capability>(['CAP_SYS_ADMIN'])],
  ['all', new Set(CAPABILITIES)],
];

test.each(SETS)('the default filter with %s', (_, capabilities) => {
  expect(compare(DEFAULT_POLICY, capabilities, 'x64')).toBeGreaterThan(100_000);
  expect(compare(DEFAULT_POLICY, capabilities, 'arm64')).toBeGreaterThan(50_000);
});

const PROFILES: Record<string, SeccompProfile> = {
  'bans on top of allowing': {
    defaultAction: 'SCMP_ACT_ALLOW',
    archMap: [],
    syscalls: [
      { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 13 },
      { names: ['ptrace'], action: 'SCMP_ACT_KILL_PROCESS' },
      { names: ['personality'], action: 'SCMP_ACT_TRAP', args: [{ index: 0, value: 5, op: 'SCMP_CMP_NE' }] },
      { names: ['write'], action: 'SCMP_ACT_LOG', args: [{ index: 0, value: 2, op: 'SCMP_CMP_LE' }] },
    ],
  },
  'comparisons of every kind': {
    defaultAction: 'SCMP_ACT_ERRNO',
    archMap: [],
    syscalls: (['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'] as const).map((op, at) => ({
      names: [['read', 'write', 'close', 'lseek', 'dup', 'fsync', 'umask'][at] ?? ''],
      action: 'SCMP_ACT_ALLOW',
      args: [{ index: 0, value: 0x1f, valueTwo: 0x11, op: `SCMP_CMP_${op}` }],
    })),
  },
  'two arguments and alternatives': {
    defaultAction: 'SCMP_ACT_KILL_PROCESS',
    archMap: [],
    syscalls: [
      {
        names: ['ioctl'],
        action: 'SCMP_ACT_ALLOW',
        args: [
          { index: 0, value: 17, op: 'SCMP_CMP_EQ' },
          { index: 1, value: 17, op: 'SCMP_CMP_EQ' },
        ],
      },
      {
        names: ['fcntl'],
        action: 'SCMP_ACT_ALLOW',
        args: [
          { index: 1, value: 1, op: 'SCMP_CMP_EQ' },
          { index: 1, value: 2, op: 'SCMP_CMP_EQ' },
        ],
      },
      { names: ['exit_group', 'exit'], action: 'SCMP_ACT_ALLOW' },
      { names: ['exit'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 3, op: 'SCMP_CMP_EQ' }] },
    ],
  },
  'sockets, which i386 multiplexes': {
    defaultAction: 'SCMP_ACT_ERRNO',
    archMap: [],
    syscalls: [
      { names: ['socket'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 1, op: 'SCMP_CMP_EQ' }] },
      { names: ['bind', 'accept4', 'semop', 'shmat'], action: 'SCMP_ACT_ALLOW' },
    ],
  },
};

test.each(Object.entries(PROFILES))('a profile with %s', (_, profile) => {
  expect(compare(parseSeccompProfile(profile), new Set(), 'x64')).toBeGreaterThan(100_000);
  expect(compare(parseSeccompProfile(profile), new Set(), 'arm64')).toBeGreaterThan(50_000);
});
