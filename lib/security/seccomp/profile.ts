import { CloisterError } from '../../errors.js';
import { capabilityName, type Capability } from '../capabilities.js';
import { ARCHITECTURES, type SeccompArchitecture } from './architectures.js';
import { parseConditions, parseErrno, parseVerdict } from './profile-values.js';
import { asList, asObject, asText, refuse, type Fields } from './profile-fields.js';
import { ANYWHERE, type SeccompPolicy, type SeccompRule, type SeccompScope, type SeccompVerdict } from './policy.js';
import { FOREIGN } from './syscalls/foreign.js';

/** One comparison of an argument, in the OCI runtime specification's form. */
export interface SeccompProfileArgument {
  index: number;
  value: number | bigint | string;
  valueTwo?: number | bigint | string;
  op: string;
}

/** Where a rule of a Docker profile holds, or does not. */
export interface SeccompProfileScope {
  caps?: readonly string[];
  arches?: readonly string[];
  minKernel?: string;
}

/** What happens to some system calls. */
export interface SeccompProfileRule {
  names?: readonly string[];
  /** The old form of `names`. */
  name?: string;
  action: string;
  errnoRet?: number;
  /** All must hold; several for one `index` are alternatives, as runc has it. */
  args?: readonly SeccompProfileArgument[] | null;
  /** Docker's form. */
  includes?: SeccompProfileScope;
  /** Docker's form. */
  excludes?: SeccompProfileScope;
  comment?: string;
}

/**
 * A system call filter as the OCI runtime specification (`linux.seccomp`) and Docker (`--security-opt seccomp=`) write it: what
 * `JSON.parse` makes of such a file can be passed as it is. Numbers of 2^53 and more are given as BigInt or as text.
 *
 * @see https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#seccomp
 */
export interface SeccompProfile {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: readonly string[];
  /** Docker's form: each processor with what else it runs. */
  archMap?: readonly { architecture: string; subArchitectures?: readonly string[] | null }[];
  flags?: readonly string[];
  syscalls?: readonly SeccompProfileRule[] | null;
}

/** linux/seccomp.h. TSYNC and WAIT_KILLABLE_RECV have no meaning for a process that installs its filter before its program. */
const FLAGS: Readonly<Record<string, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 0,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 0,
};

const MAX_RULES = 4096;
const MAX_NAMES = 1024;

const KNOWN: ReadonlySet<string> = new Set(
  Object.values(ARCHITECTURES).flatMap(({ syscalls }) => [...syscalls.keys()]),
);

function parseCapabilities(where: string, value: unknown): Capability[] {
  return asList(where, value, 64).map((each, index) => {
    const name = capabilityName(asText(`${where}[${index}]`, each));
    return name ?? refuse(`${where}[${index}]`, "a capability such as 'CAP_SYS_ADMIN'", each);
  });
}

function parseKernel(where: string, value: unknown): SeccompScope['minKernel'] {
  if (value === undefined || value === '') return undefined;
  const [, major, minor] = /^(\d{1,4})\.(\d{1,4})/.exec(asText(where, value)) ?? [];
  if (major === undefined) return refuse(where, "a kernel version such as '4.8'", value);
  return [Number(major), Number(minor)];
}

function parseScope(where: string, value: unknown): SeccompScope {
  if (value === undefined || value === null) return ANYWHERE;
  const { caps, arches, minKernel } = asObject(where, value, ['caps', 'arches', 'minKernel']);
  return {
    capabilities: parseCapabilities(`${where}.caps`, caps),
    architectures: asList(`${where}.arches`, arches, 64).map((each, index) =>
      asText(`${where}.arches[${index}]`, each),
    ),
    minKernel: parseKernel(`${where}.minKernel`, minKernel),
  };
}

/**
 * What no table knows is left out of a rule that allows: the default then holds. Anywhere else it could be a ban that is not there.
 */
function parseNames(where: string, rule: Fields, verdict: SeccompVerdict): string[] {
  const list = rule['names'] === undefined && rule['name'] !== undefined ? [rule['name']] : rule['names'];
  const names = asList(`${where}.names`, list, MAX_NAMES).map((each, index) =>
    asText(`${where}.names[${index}]`, each),
  );
  if (names.length === 0) return refuse(`${where}.names`, 'at least one system call', list);
  const unknown = names.find((name) => !KNOWN.has(name) && !FOREIGN.has(name));
  if (unknown !== undefined && verdict.action !== 'ALLOW') {
    return refuse(`${where}.names`, `system calls of Linux up to 7.1 in a rule that does not allow`, unknown);
  }
  return names.filter((name) => KNOWN.has(name));
}

const RULE_KEYS = ['names', 'name', 'action', 'errnoRet', 'args', 'includes', 'excludes', 'comment'] as const;

function parseRule(where: string, value: unknown): SeccompRule[] {
  const rule = asObject(where, value, RULE_KEYS);
  const verdict = parseVerdict(`${where}.action`, rule['action'], parseErrno(`${where}.errnoRet`, rule['errnoRet']));
  const shared = {
    names: parseNames(where, rule, verdict),
    verdict,
    includes: parseScope(`${where}.includes`, rule['includes']),
    excludes: parseScope(`${where}.excludes`, rule['excludes']),
  };
  return parseConditions(`${where}.args`, rule['args']).map((conditions) => ({ ...shared, conditions }));
}

function parseFlags(where: string, value: unknown): number {
  return asList(where, value, 16).reduce<number>((flags, each, index) => {
    const flag = FLAGS[asText(`${where}[${index}]`, each)];
    return flags | (flag ?? refuse(`${where}[${index}]`, `one of ${Object.keys(FLAGS).join(', ')}`, each));
  }, 0);
}

function parseArchitectures(profile: Fields): SeccompPolicy['architectures'] {
  if (profile['archMap'] !== undefined && profile['archMap'] !== null) {
    // Docker picks the entry of the processor; those of ours name all that it runs.
    asList('seccomp.archMap', profile['archMap'], 64);
    return 'compatible';
  }
  return asList('seccomp.architectures', profile['architectures'], 64)
    .map((each, index) => asText(`seccomp.architectures[${index}]`, each).replace(/^SCMP_ARCH_/, ''))
    .filter((name): name is SeccompArchitecture => Object.hasOwn(ARCHITECTURES, name));
}

/**
 * Checks a profile.
 *
 * @throws CloisterError `ERR_SECCOMP_PROFILE` naming the field, what was expected and what was found. `SCMP_ACT_NOTIFY` is refused:
 * nobody would answer.
 */
export function parseSeccompProfile(value: unknown): SeccompPolicy {
  const profile = asObject('seccomp', value, [
    'defaultAction',
    'defaultErrnoRet',
    'architectures',
    'archMap',
    'flags',
    'syscalls',
    'listenerPath',
    'listenerMetadata',
  ]);
  if (profile['listenerPath'] !== undefined || profile['listenerMetadata'] !== undefined) {
    throw new CloisterError(
      'ERR_SECCOMP_PROFILE',
      'seccomp.listenerPath: notifications to another process are not supported',
      {
        subject: 'seccomp.listenerPath',
        hint: 'remove listenerPath, listenerMetadata and rules with SCMP_ACT_NOTIFY',
      },
    );
  }
  const errno = parseErrno('seccomp.defaultErrnoRet', profile['defaultErrnoRet']);
  const defaultVerdict = parseVerdict('seccomp.defaultAction', profile['defaultAction'], errno);
  return Object.freeze({
    defaultVerdict,
    // An errno that somebody wrote down is meant for all.
    newer: defaultVerdict.action === 'ERRNO' && errno === undefined ? 'than-tables' : 'none',
    architectures: parseArchitectures(profile),
    flags: parseFlags('seccomp.flags', profile['flags']),
    rules: asList('seccomp.syscalls', profile['syscalls'], MAX_RULES).flatMap((each, index) =>
      parseRule(`seccomp.syscalls[${index}]`, each),
    ),
  });
}
