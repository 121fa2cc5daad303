import type { Capability } from '../capabilities.js';
import type { SeccompArchitecture } from './architectures.js';

export type SeccompAction = 'ALLOW' | 'ERRNO' | 'KILL_PROCESS' | 'KILL_THREAD' | 'TRAP' | 'LOG' | 'TRACE';

/** What happens to a system call; `data` is the errno of `ERRNO` and the message of `TRACE`. */
export interface SeccompVerdict {
  readonly action: SeccompAction;
  readonly data: number;
}

export type SeccompOperator = 'NE' | 'LT' | 'LE' | 'EQ' | 'GE' | 'GT' | 'MASKED_EQ';

/** A comparison of one argument, unsigned. */
export interface SeccompCondition {
  /** 0 to 5. */
  readonly index: number;
  readonly operator: SeccompOperator;
  /** What is compared with; for `MASKED_EQ` the mask, and `datum` is what the masked argument has to equal. */
  readonly value: bigint;
  readonly datum: bigint;
  /**
   * True for an argument that the kernel takes as 32 bits: it ignores the upper half of the register, and whoever compares that,
   * too, is led by the nose.
   */
  readonly isInt?: boolean;
}

/** Which hosts and sandboxes a rule is for. */
export interface SeccompScope {
  readonly capabilities: readonly Capability[];
  /** Go's names: `amd64`, `arm64`. */
  readonly architectures: readonly string[];
  readonly minKernel: readonly [number, number] | undefined;
}

export interface SeccompRule {
  readonly names: readonly string[];
  readonly verdict: SeccompVerdict;
  /** All of them must hold. */
  readonly conditions: readonly SeccompCondition[];
  readonly includes: SeccompScope;
  readonly excludes: SeccompScope;
}

/** A profile, checked and without its file format. */
export interface SeccompPolicy {
  readonly defaultVerdict: SeccompVerdict;
  /**
   * From which number on a system call is newer than the profile and gets ENOSYS, which tells a C library to do without it:
   * above the highest that the profile names, above the highest that this library knows, or none.
   */
  readonly newer: 'than-profile' | 'than-tables' | 'none';
  /** Besides the processor's own: `compatible` is every other one that it runs. */
  readonly architectures: 'compatible' | readonly SeccompArchitecture[];
  readonly rules: readonly SeccompRule[];
  /** `SECCOMP_FILTER_FLAG_*` as the kernel wants them. */
  readonly flags: number;
}

export const ALLOW: SeccompVerdict = { action: 'ALLOW', data: 0 };
export const ENOSYS: SeccompVerdict = { action: 'ERRNO', data: 38 };
export const EPERM: SeccompVerdict = { action: 'ERRNO', data: 1 };
export const ANYWHERE: SeccompScope = { capabilities: [], architectures: [], minKernel: undefined };
