import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CloisterError } from '../../lib/errors.js';
import { ARCHITECTURES, type SeccompArchitecture } from '../../lib/security/seccomp/architectures.js';
import { compileRules } from '../../lib/security/seccomp/compile.js';
import { parseSeccompProfile } from '../../lib/security/seccomp/profile.js';
import {
  resolvePolicy,
  verdictOnUnnamed,
  type ArchitectureRules,
  type SeccompContext,
} from '../../lib/security/seccomp/resolve.js';
import type { SeccompCondition, SeccompVerdict } from '../../lib/security/seccomp/policy.js';
import { decode, run, verify } from '../support/bpf.js';

const NAMES = ['read', 'write', 'socket', 'clone', 'semop', 'mount', 'ioctl', 'openat2', 'exit_group'];
const OPERATORS = ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'];
const ACTIONS = ['ALLOW', 'ERRNO', 'KILL_PROCESS', 'TRAP', 'LOG'];
const value = fc.oneof(fc.bigInt(0n, 8n), fc.bigInt(0n, 2n ** 64n - 1n), fc.constantFrom(0xffff_ffffn, 1n << 32n));

const profile = fc.record({
  defaultAction: fc.constantFrom(...ACTIONS).map((name) => `SCMP_ACT_${name}`),
  syscalls: fc.array(
    fc.record({
      names: fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 }),
      action: fc.constantFrom(...ACTIONS).map((name) => `SCMP_ACT_${name}`),
      args: fc.array(
        fc.record({
          index: fc.integer({ min: 0, max: 5 }),
          value,
          valueTwo: value,
          op: fc.constantFrom(...OPERATORS).map((name) => `SCMP_CMP_${name}`),
        }),
        { maxLength: 3 },
      ),
    }),
    { maxLength: 12 },
  ),
});

function holds({ index, operator, value: wanted, datum }: SeccompCondition, args: readonly bigint[]): boolean {
  const arg = args[index] ?? 0n;
  const results = {
    NE: arg !== wanted,
    LT: arg < wanted,
    LE: arg <= wanted,
    EQ: arg === wanted,
    GE: arg >= wanted,
    GT: arg > wanted,
  };
  return operator === 'MASKED_EQ' ? (arg & wanted) === datum : results[operator];
}

function reference(rules: ArchitectureRules, number: number, args: readonly bigint[]): SeccompVerdict {
  const decision = rules.decisions.get(number);
  if (decision === undefined) return verdictOnUnnamed(rules, number);
  return (
    decision.branches.find(({ conditions }) => conditions.every((each) => holds(each, args)))?.verdict ??
    decision.otherwise
  );
}

const VALUES: Record<string, number> = {
  ALLOW: 0x7fff0000,
  ERRNO: 0x50000,
  KILL_PROCESS: 0x80000000,
  TRAP: 0x30000,
  LOG: 0x7ffc0000,
};
const context: SeccompContext = { capabilities: new Set(), kernelVersion: [6, 1], architecture: 'x64' };

test('a compiled profile decides as its rules read', () => {
  fc.assert(
    fc.property(profile, fc.array(value, { minLength: 6, maxLength: 6 }), (json, args) => {
      const policy = { ...parseSeccompProfile(json), architectures: 'compatible' as const };
      const all = resolvePolicy(policy, context);
      const program = compileRules(all);
      expect(verify(program)).toBeUndefined();
      const code = decode(program);
      for (const rules of all) {
        const { syscalls, bit, audit } = ARCHITECTURES[rules.architecture];
        const numbers = [...NAMES.map((name) => syscalls.get(name) ?? 0), 0, 102, 117, 450, 460, 4711];
        for (const number of numbers.map((each) => (each | bit) >>> 0)) {
          const { action, data } = reference(rules, number, args);
          expect(run(code, { number, audit, args })).toBe((VALUES[action] ?? 0) + data);
        }
      }
    }),
    { numRuns: 400 },
  );
});

test('whatever is given, the parser returns a profile or a typed error', () => {
  const anything = fc.oneof(
    fc.anything({ withBigInt: true, withNullPrototype: true, withMap: true }),
    fc.record(
      {
        defaultAction: fc.constant('SCMP_ACT_ALLOW'),
        syscalls: fc.anything({ withBigInt: true }),
        flags: fc.anything(),
      },
      { requiredKeys: ['defaultAction'] },
    ),
    profile.chain((json) => fc.anything().map((other) => ({ ...json, syscalls: [...json.syscalls, other] }))),
  );
  fc.assert(
    fc.property(anything, (json) => {
      try {
        compileRules(resolvePolicy(parseSeccompProfile(json), context));
      } catch (error) {
        expect(CloisterError.is(error) && error.code).toBe('ERR_SECCOMP_PROFILE');
      }
    }),
    { numRuns: 3000 },
  );
});

test('every architecture has its tables', () => {
  const names: SeccompArchitecture[] = ['X86_64', 'X86', 'X32', 'AARCH64', 'ARM'];
  for (const name of names) expect(ARCHITECTURES[name].syscalls.size).toBeGreaterThan(300);
});
