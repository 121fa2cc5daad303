import type { Capability } from '../capabilities.js';
import {
  ARCHITECTURES,
  PROCESSORS,
  X86_MULTIPLEXED,
  type Processor,
  type SeccompArchitecture,
} from './architectures.js';
import {
  ENOSYS,
  type SeccompCondition,
  type SeccompPolicy,
  type SeccompRule,
  type SeccompScope,
  type SeccompVerdict,
} from './policy.js';

/** What a policy's conditional rules ask for. */
export interface SeccompContext {
  /** The bounding set of the commands. */
  readonly capabilities: ReadonlySet<Capability>;
  readonly kernelVersion: readonly [number, number];
  readonly architecture: Processor;
}

/** One conditional outcome of a system call. */
export interface Branch {
  readonly conditions: readonly SeccompCondition[];
  readonly verdict: SeccompVerdict;
}

/** What becomes of one system call: the first branch that holds, else `otherwise`. */
export interface Decision {
  readonly branches: readonly Branch[];
  readonly otherwise: SeccompVerdict;
}

/** All decisions about one architecture; a number that is not in the map gets `otherwise`, from `newerFrom` on ENOSYS. */
export interface ArchitectureRules {
  readonly architecture: SeccompArchitecture;
  /** By number, with the architecture's bit. */
  readonly decisions: ReadonlyMap<number, Decision>;
  readonly otherwise: SeccompVerdict;
  readonly newerFrom: number | undefined;
}

function isAtLeast(
  [major, minor]: readonly [number, number],
  [wantedMajor, wantedMinor]: readonly [number, number],
): boolean {
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** As moby reads `includes`: every capability, any architecture. */
function isIncluded({ capabilities, architectures, minKernel }: SeccompScope, context: SeccompContext): boolean {
  return (
    capabilities.every((name) => context.capabilities.has(name)) &&
    (architectures.length === 0 || architectures.includes(PROCESSORS[context.architecture].docker)) &&
    (minKernel === undefined || isAtLeast(context.kernelVersion, minKernel))
  );
}

/** As moby reads `excludes`: one of them is enough. */
function isExcluded({ capabilities, architectures, minKernel }: SeccompScope, context: SeccompContext): boolean {
  return (
    capabilities.some((name) => context.capabilities.has(name)) ||
    architectures.includes(PROCESSORS[context.architecture].docker) ||
    (minKernel !== undefined && isAtLeast(context.kernelVersion, minKernel))
  );
}

function isSame(a: SeccompVerdict, b: SeccompVerdict): boolean {
  return a.action === b.action && a.data === b.data;
}

/** Where a name leads on i386: the call itself, and the one that it is multiplexed through. The pointer to the arguments is no argument. */
function* targets(architecture: SeccompArchitecture, name: string, rule: SeccompRule): Generator<[number, Branch]> {
  const { syscalls, bit } = ARCHITECTURES[architecture];
  const number = syscalls.get(name);
  if (number !== undefined) yield [(number | bit) >>> 0, rule];
  const multiplexed = architecture === 'X86' ? X86_MULTIPLEXED.get(name) : undefined;
  const through = multiplexed && syscalls.get(multiplexed.through);
  if (multiplexed === undefined || through === undefined) return;
  const which: SeccompCondition = { index: 0, operator: 'EQ', value: BigInt(multiplexed.call), datum: 0n };
  yield [
    through,
    { verdict: rule.verdict, conditions: [which, ...rule.conditions.filter(({ index }) => index !== 0)] },
  ];
}

/** A rule without conditions decides, wherever it stands; libseccomp, too, lets it swallow the others. */
function decide(branches: readonly Branch[], otherwise: SeccompVerdict): Decision {
  const unconditional = branches.find(({ conditions }) => conditions.length === 0);
  return unconditional === undefined ? { branches, otherwise } : { branches: [], otherwise: unconditional.verdict };
}

function newerFrom(policy: SeccompPolicy, architecture: SeccompArchitecture): number | undefined {
  if (policy.newer === 'none') return undefined;
  const { syscalls, bit } = ARCHITECTURES[architecture];
  const named = new Set(policy.rules.flatMap(({ names }) => names));
  const known = [...syscalls]
    .filter(([name]) => policy.newer === 'than-tables' || named.has(name))
    .map(([, number]) => number);
  const highest = Math.max(...known.filter((number) => number < ARM_PRIVATE));
  return ((highest + 1) | bit) >>> 0;
}

/** `__ARM_NR_BASE`: far above all others, and nothing new appears there. */
const ARM_PRIVATE = 0xf_0000;

function resolveArchitecture(
  policy: SeccompPolicy,
  architecture: SeccompArchitecture,
  rules: readonly SeccompRule[],
): ArchitectureRules {
  const branches = new Map<number, Branch[]>();
  for (const rule of rules) {
    for (const name of rule.names) {
      for (const [number, branch] of targets(architecture, name, rule)) {
        const known = branches.get(number) ?? [];
        known.push({ conditions: branch.conditions, verdict: branch.verdict });
        branches.set(number, known);
      }
    }
  }
  for (const number of ARCHITECTURES[architecture].syscalls.values()) {
    if (number >= ARM_PRIVATE && !branches.has(number)) branches.set(number, []);
  }
  const decisions = new Map(
    [...branches].map(([number, each]) => [number, decide(each, policy.defaultVerdict)] as const),
  );
  return { architecture, decisions, otherwise: policy.defaultVerdict, newerFrom: newerFrom(policy, architecture) };
}

/** The rules that apply in this context, by architecture: the processor's own first. Pure. */
export function resolvePolicy(policy: SeccompPolicy, context: SeccompContext): readonly ArchitectureRules[] {
  const { native, others } = PROCESSORS[context.architecture];
  const wanted = others.filter((name) => policy.architectures === 'compatible' || policy.architectures.includes(name));
  // runc leaves these out, too: they would say nothing new, and hide what is meant by another rule.
  const rules = policy.rules.filter(
    ({ includes, excludes, verdict }) =>
      isIncluded(includes, context) && !isExcluded(excludes, context) && !isSame(verdict, policy.defaultVerdict),
  );
  return [native, ...wanted].map((architecture) => resolveArchitecture(policy, architecture, rules));
}

/** The verdict on a number that no rule names. */
export function verdictOnUnnamed({ otherwise, newerFrom: from }: ArchitectureRules, number: number): SeccompVerdict {
  return from !== undefined && number >= from ? ENOSYS : otherwise;
}
