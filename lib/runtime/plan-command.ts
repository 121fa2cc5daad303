import type { CapabilitySets, CommandPlan } from '../native/plan.js';
import { capabilityMask, type Capability } from '../security/capabilities.js';
import { encodeRlimit, RLIMITS, type RlimitName, type RlimitValue } from '../security/rlimits.js';
import type { CommandSpec, SandboxSpec, UserSpec } from './spec.js';

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The five sets at the moment of execve(2), capabilities(7). Nothing is inheritable or ambient: what a plain user
 * executes starts without any (CVE-2022-24769, CVE-2022-29162); root inside gets the bounding set.
 */
export function planCapabilities(granted: ReadonlySet<Capability>, isRoot: boolean): CapabilitySets {
  const bounding = capabilityMask(granted);
  const held = isRoot ? bounding : 0n;
  return { bounding, effective: held, permitted: held, inheritable: 0n, ambient: 0n };
}

function planUser(user: UserSpec): Pick<CommandPlan, 'user' | 'group' | 'uid' | 'gid' | 'groups'> {
  if (user.kind === 'name') return { user: user.user, group: user.group, uid: user.uid, gid: 0, groups: [] };
  return { user: '', group: '', uid: user.uid, gid: user.gid, groups: user.groups };
}

function planEnv(command: CommandSpec): { env: string[]; findHome: boolean } {
  const isRoot = command.user.kind === 'ids' && command.user.uid === 0;
  const env: Record<string, string> = { PATH: DEFAULT_PATH, ...command.env };
  if (isRoot) env['HOME'] ??= '/root';
  if (command.tty !== undefined) env['TERM'] ??= 'xterm-256color';
  return { env: Object.entries(env).map(([key, value]) => `${key}=${value}`), findHome: env['HOME'] === undefined };
}

/** Pure: what init is told about one command. */
export function planCommand(
  sandbox: SandboxSpec,
  command: CommandSpec,
  defaultRlimits: Readonly<Partial<Record<RlimitName, RlimitValue>>>,
): CommandPlan {
  const limits = { ...defaultRlimits, ...command.rlimits };
  const isRoot = command.user.kind === 'ids' && command.user.uid === 0;
  return {
    argv: command.argv,
    ...planEnv(command),
    cwd: command.cwd,
    ...planUser(command.user),
    umask: command.umask,
    capabilities: planCapabilities(sandbox.capabilities, isRoot),
    noNewPrivileges: sandbox.noNewPrivileges,
    rlimits: Object.entries(limits).map(([name, { soft, hard }]) => ({
      resource: RLIMITS[name as RlimitName],
      soft: encodeRlimit(soft),
      hard: encodeRlimit(hard),
    })),
    tty: command.tty,
  };
}
