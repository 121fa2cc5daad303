import { invalidOption } from '../errors.js';
import type { CommandDefaults, SandboxIds, UserSpec } from '../runtime/spec.js';
import { parseUser } from '../runtime/user.js';
import { RLIMITS, type RlimitName, type RlimitValue } from '../security/rlimits.js';
import { checkAmount, checkEnv, checkInteger, checkList, checkObject, checkPath, checkSize } from './check.js';
import { checkMapped } from './mapped-ids.js';
import { checkRlimitBound } from './rlimit-bounds.js';

export const PROCESS_KEYS = ['env', 'cwd', 'user', 'umask', 'rlimits', 'maxOutput'] as const;

const ID: readonly [number, number] = [0, 2 ** 32 - 2];
const DEFAULT_MAX_OUTPUT = 10 * 2 ** 20;

function ids(uid: number, gid: number, groups: readonly number[]): UserSpec {
  return { kind: 'ids', uid, gid, groups };
}

function parseUserOption(value: unknown): UserSpec {
  if (typeof value === 'number') return ids(checkInteger('user', value, ID, 0), value, []);
  if (typeof value === 'string') {
    const user = parseUser(value);
    if (user === undefined) throw invalidOption('user', "'uid', 'uid:gid', 'name' or 'name:group'", value);
    return user;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidOption('user', "a number, 'uid', 'uid:gid', 'name', 'name:group' or { uid, gid, groups }", value);
  }
  const user = checkObject('user', value, ['uid', 'gid', 'groups']);
  const uid = checkInteger('user.uid', user['uid'], ID, 0);
  const groups = checkList('user.groups', user['groups'], (option, gid) => checkInteger(option, gid, ID, 0));
  if (groups.length > 256) throw invalidOption('user.groups', 'at most 256 groups', groups);
  return ids(uid, checkInteger('user.gid', user['gid'], ID, uid), groups);
}

function checkUser(value: unknown, absent: UserSpec | undefined, namespace: SandboxIds): UserSpec | undefined {
  if (value === undefined) return absent;
  const user = parseUserOption(value);
  checkMapped(user, value, namespace);
  return user;
}

function checkRlimits(value: unknown, isHostUser: boolean): Partial<Record<RlimitName, RlimitValue>> {
  if (value === undefined) return {};
  const limits: Partial<Record<RlimitName, RlimitValue>> = {};
  for (const [key, limit] of Object.entries(checkObject('rlimits', value, Object.keys(RLIMITS)))) {
    const option = `rlimits.${key}`;
    if (limit === undefined) continue;
    if (limit === null) throw invalidOption(option, 'a whole number, Infinity or { soft, hard }', limit);
    const pair =
      typeof limit === 'object' ? checkObject(option, limit, ['soft', 'hard']) : { soft: limit, hard: limit };
    const hard = checkAmount(`${option}.hard`, pair['hard'] ?? pair['soft'], Infinity);
    const soft = checkAmount(`${option}.soft`, pair['soft'] ?? pair['hard'], Infinity);
    if (soft > hard) throw invalidOption(option, 'a soft limit no higher than the hard one', soft);
    checkRlimitBound(option, key as RlimitName, { soft, hard }, isHostUser);
    limits[key as RlimitName] = { soft, hard };
  }
  return limits;
}

function checkFiles(files: number | undefined, isHostUser: boolean): Partial<Record<RlimitName, RlimitValue>> {
  if (files === undefined) return {};
  const nofile = { soft: files, hard: files };
  checkRlimitBound('limits.files', 'nofile', nofile, isHostUser);
  return { nofile };
}

function checkMaxOutput(value: unknown, absent: number): number {
  return value === Infinity ? Infinity : checkSize('maxOutput', value, absent);
}

/**
 * What a command runs with, from the sandbox's options or, over those of the sandbox (`base`), from the command's own.
 *
 * @param limits - what the sandbox says of it elsewhere.
 */
export function checkProcess(
  fields: Readonly<Record<string, unknown>>,
  limits: { readonly cpuTimeMs: number; readonly files: number | undefined; readonly ids: SandboxIds },
  base?: CommandDefaults,
): CommandDefaults {
  const isHostUser = limits.ids.kind === 'host';
  return {
    env: { ...base?.env, ...checkEnv('env', fields['env']) },
    cwd: fields['cwd'] === undefined ? base?.cwd : checkPath('cwd', fields['cwd']),
    user: checkUser(fields['user'], base?.user, limits.ids),
    umask: checkInteger('umask', fields['umask'], [0, 0o777], base?.umask ?? 0o022),
    rlimits: {
      ...base?.rlimits,
      ...checkFiles(limits.files, isHostUser),
      ...checkRlimits(fields['rlimits'], isHostUser),
    },
    cpuTimeMs: limits.cpuTimeMs,
    maxOutputBytes: checkMaxOutput(fields['maxOutput'], base?.maxOutputBytes ?? DEFAULT_MAX_OUTPUT),
  };
}
