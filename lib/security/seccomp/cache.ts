import { createHash } from 'node:crypto';
import { capabilityMask } from '../capabilities.js';
import { compileRules } from './compile.js';
import { DEFAULT_POLICY } from './default-profile.js';
import type { SeccompPolicy } from './policy.js';
import { resolvePolicy, type SeccompContext } from './resolve.js';

/** A filter that is ready for seccomp(2). */
export interface SeccompProgram {
  /** `struct sock_filter[]`. */
  readonly program: Uint8Array;
  /** SHA-256 of the program. */
  readonly digest: string;
  /** `SECCOMP_FILTER_FLAG_*`. */
  readonly flags: number;
}

const byPolicy = new WeakMap<SeccompPolicy, Map<string, SeccompProgram>>();
/** Equal filters of different policies are one. */
const byDigest = new Map<string, SeccompProgram>();
const MAX_PROGRAMS = 256;

function compile(policy: SeccompPolicy, context: SeccompContext): SeccompProgram {
  const program = compileRules(resolvePolicy(policy, context));
  const digest = createHash('sha256').update(program).digest('hex');
  const key = `${digest}/${policy.flags}`;
  const known = byDigest.get(key);
  if (known !== undefined) return known;
  if (byDigest.size >= MAX_PROGRAMS) byDigest.clear();
  const made = Object.freeze({ program, digest, flags: policy.flags });
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
