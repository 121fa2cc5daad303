import { CloisterError, invalidOption } from '../errors.js';
import type { CapabilitySets, CommandPlan } from '../native/plan.js';
import { capabilityMask } from '../security/capabilities.js';
import { encodeRlimit, RLIMITS, type RlimitName, type RlimitValue } from '../security/rlimits.js';
import type { ImageDefaults } from './image.js';
import type { CommandSpec, SandboxSpec, UserSpec } from './spec.js';
import { parseImageUser, ROOT } from './user.js';

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The five sets at the moment of execve(2), capabilities(7). Root inside gets the bounding set. What a plain user executes
 * starts with nothing (CVE-2022-24769, CVE-2022-29162) but what the caller added by name: only the ambient set survives
 * execve(2) there, and it must be inheritable. With the host's ids nobody but root has any: it would count outside.
 */
export function planCapabilities(
  { capabilities, addedCapabilities, ids }: Pick<SandboxSpec, 'capabilities' | 'addedCapabilities' | 'ids'>,
  user: UserSpec,
): CapabilitySets {
  const bounding = capabilityMask(capabilities);
  if (isRootUser(user)) return { bounding, effective: bounding, permitted: bounding, inheritable: 0n, ambient: 0n };
  const mayBeRoot = user.kind === 'name' && user.user === 'root';
  const own = mayBeRoot || ids.kind === 'host' ? 0n : capabilityMask(addedCapabilities) & bounding;
  return { bounding, effective: own, permitted: own, inheritable: own, ambient: own };
}

function isRootUser(user: UserSpec): boolean {
  return user.kind !== 'name' && user.uid === 0;
}

function planUser(user: UserSpec): Pick<CommandPlan, 'user' | 'group' | 'uid' | 'gid' | 'groups'> {
  // A number in place of a name is that number's account.
  if (user.kind === 'account') return { user: `${user.uid}`, group: '', uid: user.uid, gid: 0, groups: [] };
  if (user.kind === 'name') return { user: user.user, group: user.group, uid: user.uid, gid: 0, groups: [] };
  return { user: '', group: '', uid: user.uid, gid: user.gid, groups: user.groups };
}

function planEnv(command: CommandSpec, isRoot: boolean, image?: ImageDefaults): { env: string[]; findHome: boolean } {
  const env: Record<string, string> = { PATH: DEFAULT_PATH, ...image?.env, ...command.env };
  if (isRoot) env['HOME'] ??= '/root';
  if (command.tty !== undefined) env['TERM'] ??= 'xterm-256color';
  return { env: Object.entries(env).map(([key, value]) => `${key}=${value}`), findHome: env['HOME'] === undefined };
}

/** The caller's, or the image's own: what it starts is the entrypoint with the arguments after it. */
function planArgv({ argv }: CommandSpec, image?: ImageDefaults): readonly string[] {
  if (argv.length > 0 || image === undefined) return argv;
  const own = [...image.entrypoint, ...image.cmd];
  if (own.length > 0) return own;
  throw invalidOption('command', "a program to run: the image has neither 'Entrypoint' nor 'Cmd'", argv);
}

function userOf(command: CommandSpec, image?: ImageDefaults): UserSpec {
  if (command.user !== undefined || image === undefined) return command.user ?? ROOT;
  const user = parseImageUser(image.user);
  if (user !== undefined) return user;
  throw new CloisterError('ERR_IMAGE_INVALID', `the image's User is ${JSON.stringify(image.user)}, which is no user`, {
    subject: image.user,
    hint: "give one yourself: { user: 'name' } or { user: 1000 }",
  });
}

/** The kernel's own watch over one process, should ours come late. */
function cpuRlimit(cpuTimeMs: number): Readonly<Partial<Record<RlimitName, RlimitValue>>> {
  const seconds = Math.ceil(cpuTimeMs / 1000) + 1;
  return Number.isSafeInteger(seconds) ? { cpu: { soft: seconds, hard: seconds + 1 } } : {};
}

/** Pure: what init is told about one command. */
export function planCommand(
  sandbox: SandboxSpec,
  command: CommandSpec,
  defaultRlimits: Readonly<Partial<Record<RlimitName, RlimitValue>>>,
  image?: ImageDefaults,
): CommandPlan {
  const limits = { ...defaultRlimits, ...cpuRlimit(command.cpuTimeMs), ...command.rlimits };
  const user = userOf(command, image);
  const isRoot = isRootUser(user);
  return {
    argv: planArgv(command, image),
    ...planEnv(command, isRoot, image),
    cwd: command.cwd ?? (image?.cwd === undefined || image.cwd === '' ? '/' : image.cwd),
    ...planUser(user),
    umask: command.umask,
    capabilities: planCapabilities(sandbox, user),
    noNewPrivileges: sandbox.noNewPrivileges,
    rlimits: Object.entries(limits).map(([name, { soft, hard }]) => ({
      resource: RLIMITS[name as RlimitName],
      soft: encodeRlimit(soft),
      hard: encodeRlimit(hard),
    })),
    tty: command.tty,
  };
}
