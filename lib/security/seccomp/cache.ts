import { createHash } from 'node:crypto';
import { CloisterError } from '../../errors.js';
import { capabilityMask } from '../capabilities.js';
import { ARCHITECTURES } from './architectures.js';
import { compileRules } from './compile.js';
import { DEFAULT_POLICY } from './default-profile.js';
import type { SeccompAction, SeccompPolicy } from './policy.js';
import { resolvePolicy, type ArchitectureRules, type SeccompContext } from './resolve.js';

/** A filter that is ready for seccomp(2). */
export interface SeccompProgram {
  /** `struct sock_filter[]`. */
  readonly program: Uint8Array;
  /** SHA-256 of the program. */
  readonly digest: string;
  /** `SECCOMP_FILTER_FLAG_*`. */
  readonly flags: number;
  /** What it does to the execve(2) that starts a program; undefined when that may pass. */
  readonly refusesStart: SeccompAction | undefined;
}

const byPolicy = new WeakMap<SeccompPolicy, Map<string, SeccompProgram>>();
/** Equal filters of different policies are one. */
const byDigest = new Map<string, SeccompProgram>();
const MAX_PROGRAMS = 256;

/** Undefined where execve(2) may pass, at least with some arguments. */
function refusalOfStart(rules: ArchitectureRules | undefined): SeccompAction | undefined {
  const number = rules && ARCHITECTURES[rules.architecture].syscalls.get('execve');
  if (rules === undefined || number === undefined) return undefined;
  const named = rules.decisions.get((number | ARCHITECTURES[rules.architecture].bit) >>> 0);
  const verdicts = [...(named?.branches ?? []).map(({ verdict }) => verdict), named?.otherwise ?? rules.otherwise];
  const passes = verdicts.some(({ action }) => action === 'ALLOW' || action === 'LOG');
  return passes ? undefined : verdicts[0]?.action;
}

function compile(policy: SeccompPolicy, context: SeccompContext): SeccompProgram {
  const rules = resolvePolicy(policy, context);
  const program = compileRules(rules);
  const digest = createHash('sha256').update(program).digest('hex');
  const key = `${digest}/${policy.flags}`;
  const known = byDigest.get(key);
  if (known !== undefined) return known;
  if (byDigest.size >= MAX_PROGRAMS) byDigest.clear();
  const made = Object.freeze({ program, digest, flags: policy.flags, refusesStart: refusalOfStart(rules[0]) });
  byDigest.set(key, made);
  return made;
}

/**
 * Compiles a policy, once: the same policy in the same context costs a look-up.
 *
 * @throws CloisterError `ERR_SECCOMP_PROFILE` when the filter would be larger than the kernel takes.
 */
export function seccompProgram(policy: SeccompPolicy | 'default', context: SeccompContext): SeccompProgram {
  const rules = policy === 'default' ? DEFAULT_POLICY : policy;
  const programs = byPolicy.get(rules) ?? new Map<string, SeccompProgram>();
  byPolicy.set(rules, programs);
  const key = `${capabilityMask(context.capabilities)} ${context.kernelVersion.join('.')} ${context.architecture}`;
  const program = programs.get(key) ?? compile(rules, context);
  programs.set(key, program);
  return program;
}

/** @throws CloisterError `ERR_SECCOMP_PROFILE` for a filter behind which no program starts, whatever the program itself needs. */
export function checkLetsStart({ refusesStart }: SeccompProgram): void {
  if (refusesStart === undefined) return;
  const message = `security.seccomp: no program can start, execve gets SCMP_ACT_${refusesStart}`;
  throw new CloisterError('ERR_SECCOMP_PROFILE', message, {
    subject: 'execve',
    hint: 'allow execve, and what the program itself calls: with SCMP_ACT_LOG as the defaultAction the kernel logs what is missing',
  });
}
