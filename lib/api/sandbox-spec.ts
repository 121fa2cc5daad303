import { randomBytes } from 'node:crypto';
import { invalidOption } from '../errors.js';
import type { CgroupLimits } from '../cgroup/limits.js';
import type { IdMapEntry } from '../native/plan.js';
import type { SandboxIds, SandboxSpec } from '../runtime/spec.js';
import { capabilityName, grantedCapabilities, type Capability } from '../security/capabilities.js';
import { sysctlNamespace } from '../security/kernel-paths.js';
import { parseSeccompProfile } from '../security/seccomp/profile.js';
import {
  checkBoolean,
  checkChoice,
  checkDuration,
  checkInteger,
  checkList,
  checkNumber,
  checkObject,
  checkSize,
  checkText,
  checkTexts,
} from './check.js';
import { checkClocks } from './clock-spec.js';
import { checkDevices } from './device-spec.js';
import { checkImage, checkMount, checkWritable, PAGE_BYTES } from './files-spec.js';
import { checkHealth } from './health-spec.js';
import { demandDisjoint } from './mapped-ids.js';
import { checkProcess, PROCESS_KEYS } from './process-spec.js';

const MIB = 2 ** 20;

/** What a sandbox may use when nobody says otherwise. */
export const DEFAULT_LIMITS = { memoryBytes: 512 * MIB, swapBytes: 0, pids: 256 } as const satisfies CgroupLimits;
const DEFAULT_SHM_BYTES = 64 * MIB;

const UPDATE_KEYS = ['memory', 'swap', 'cpus', 'cpuWeight', 'cpuset', 'pids', 'io'] as const;
const LIMIT_KEYS = [...UPDATE_KEYS, 'disk', 'cpuTime', 'files'] as const;
const IO_KEYS = ['readBps', 'writeBps', 'readIops', 'writeIops', 'weight', 'device'] as const;
const SECURITY_KEYS = ['profile', 'capabilities', 'seccomp', 'noNewPrivileges', 'userNamespace'] as const;
export const SANDBOX_KEYS = [
  ...PROCESS_KEYS,
  'name',
  'image',
  'pull',
  'health',
  'limits',
  'network',
  'mounts',
  'devices',
  'deviceRules',
  'hostname',
  'domainname',
  'readonlyRoot',
  'writable',
  'shm',
  'sysctls',
  'clocks',
  'labels',
  'security',
  'signal',
] as const;

const COUNT: readonly [number, number] = [1, 2 ** 32];

function checkIo(value: unknown): CgroupLimits['io'] {
  const io = checkObject('limits.io', value, IO_KEYS);
  const device = checkText('limits.io.device', io['device'], undefined);
  if (device !== undefined && !/^\d+:\d+$/.test(device))
    throw invalidOption('limits.io.device', "'MAJOR:MINOR'", device);
  return withoutAbsent({
    readBps: checkSize('limits.io.readBps', io['readBps'], undefined, 1),
    writeBps: checkSize('limits.io.writeBps', io['writeBps'], undefined, 1),
    readIops: checkInteger('limits.io.readIops', io['readIops'], COUNT, undefined),
    writeIops: checkInteger('limits.io.writeIops', io['writeIops'], COUNT, undefined),
    weight: checkInteger('limits.io.weight', io['weight'], [1, 10_000], undefined),
    device,
  });
}

function checkCpuset(value: unknown): string | undefined {
  const cpuset = checkText('limits.cpuset', value, undefined);
  // No kernel is built for a number of six digits.
  const isRange = (text: string): boolean => {
    const [, from, to] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
    return from !== undefined && Number(from) <= Number(to ?? from);
  };
  if (cpuset === undefined || cpuset.split(',').every(isRange)) return cpuset;
  throw invalidOption('limits.cpuset', "processor numbers such as '0-2,4'", cpuset);
}

/** The part of `limits` that cgroups enforce; absent ones stay absent, `Infinity` takes a default away. */
export function checkCgroupLimits(limits: Readonly<Record<string, unknown>>): CgroupLimits {
  const cpuset = checkCpuset(limits['cpuset']);
  const memoryBytes =
    limits['memory'] === Infinity ? Infinity : checkSize('limits.memory', limits['memory'], undefined);
  if (memoryBytes !== undefined && memoryBytes < MIB)
    throw invalidOption('limits.memory', 'at least 1 MiB', limits['memory']);
  return withoutAbsent({
    memoryBytes,
    swapBytes: limits['swap'] === Infinity ? Infinity : checkSize('limits.swap', limits['swap'], undefined),
    cpus: limits['cpus'] === Infinity ? Infinity : checkNumber('limits.cpus', limits['cpus'], [0.01, 4096], undefined),
    cpuWeight: checkInteger('limits.cpuWeight', limits['cpuWeight'], [1, 10_000], undefined),
    cpuset,
    pids:
      limits['pids'] === Infinity ? Infinity : checkInteger('limits.pids', limits['pids'], [1, 4_194_303], undefined),
    io: limits['io'] === undefined ? undefined : checkIo(limits['io']),
  });
}

type Present<T> = { [K in keyof T]: Exclude<T[K], undefined> };

function withoutAbsent<T extends object>(fields: T): Partial<Present<T>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<Present<T>>;
}

/** Those that can change while a sandbox lives. */
export function checkUpdateKeys(value: unknown): Readonly<Record<string, unknown>> {
  return checkObject('limits', value, UPDATE_KEYS);
}

function checkSysctls(value: unknown, network: 'none' | 'host'): Readonly<Record<string, string>> {
  const sysctls = checkTexts('sysctls', value);
  for (const name of Object.keys(sysctls)) {
    const namespace = /^[a-z0-9_]+(\.[a-zA-Z0-9_-]+)+$/.test(name) ? sysctlNamespace(name) : undefined;
    if (namespace === undefined || (namespace === 'network' && network === 'host')) {
      throw invalidOption(
        `sysctls.${name}`,
        "a parameter of one of the sandbox's own namespaces",
        name,
        'all others would change the host',
      );
    }
  }
  return sysctls;
}

function checkIds(value: unknown): SandboxIds {
  if (value === undefined || value === 'auto') return { kind: 'auto' };
  if (value === 'host') return { kind: 'host' };
  const option = 'security.userNamespace';
  const map = checkObject(option, value, ['uids', 'gids']);
  const entry = (name: string, each: unknown): IdMapEntry => {
    const { inside, outside, count } = checkObject(name, each, ['inside', 'outside', 'count']);
    const id: readonly [number, number] = [0, 2 ** 32 - 2];
    return {
      inside: checkInteger(`${name}.inside`, inside, id, 0),
      outside: checkInteger(`${name}.outside`, outside, id, 0),
      count: checkInteger(`${name}.count`, count, [1, 2 ** 32 - 1], 1),
    };
  };
  const ids = {
    kind: 'map' as const,
    uids: checkList(`${option}.uids`, map['uids'], entry),
    gids: checkList(`${option}.gids`, map['gids'], entry),
  };
  for (const list of [ids.uids, ids.gids]) {
    if (!list.some(({ inside }) => inside === 0))
      throw invalidOption(option, 'a mapping that contains id 0 inside', value);
  }
  demandDisjoint(`${option}.uids`, ids.uids);
  demandDisjoint(`${option}.gids`, ids.gids);
  return ids;
}

function checkCapability(option: string, value: unknown): Capability | 'ALL' {
  const name = checkText(option, value, '');
  const found = name === 'ALL' ? name : capabilityName(name);
  if (found === undefined) throw invalidOption(option, "a capability such as 'NET_RAW', or 'ALL'", value);
  return found;
}

function checkSeccomp(value: unknown, absent: 'default' | 'unconfined'): SandboxSpec['seccomp'] {
  if (typeof value === 'object' && value !== null) return parseSeccompProfile(value);
  if (value === undefined || typeof value === 'string') {
    return checkChoice('security.seccomp', value, ['default', 'unconfined'], absent);
  }
  throw invalidOption('security.seccomp', "'default', 'unconfined' or a profile", value);
}

function checkSecurity(
  value: unknown,
): Pick<SandboxSpec, 'capabilities' | 'addedCapabilities' | 'noNewPrivileges' | 'seccomp' | 'ids' | 'maskKernelPaths'> {
  const security = value === undefined ? {} : checkObject('security', value, SECURITY_KEYS);
  const profile = checkChoice('security.profile', security['profile'], ['strict', 'default', 'privileged'], 'default');
  const changes = security['capabilities'];
  const { add, drop } = changes === undefined ? {} : checkObject('security.capabilities', changes, ['add', 'drop']);
  const isPrivileged = profile === 'privileged';
  const added = checkList('security.capabilities.add', add, checkCapability);
  return {
    capabilities: grantedCapabilities(profile, added, checkList('security.capabilities.drop', drop, checkCapability)),
    addedCapabilities: grantedCapabilities('strict', added, []),
    noNewPrivileges: checkBoolean('security.noNewPrivileges', security['noNewPrivileges'], !isPrivileged),
    seccomp: checkSeccomp(security['seccomp'], isPrivileged ? 'unconfined' : 'default'),
    ids: checkIds(security['userNamespace']),
    maskKernelPaths: !isPrivileged,
  };
}

function checkHostname(option: string, value: unknown, absent: string): string {
  const name = checkText(option, value, absent);
  if (name.length > 64 || !/^[A-Za-z0-9._-]*$/.test(name))
    throw invalidOption(option, 'up to 64 letters, digits, dots and dashes', value);
  return name;
}

/** Options of a sandbox → its frozen, complete description. @throws CloisterError `ERR_INVALID_OPTION` naming option, expectation and value. */
export function checkSandbox(options: unknown): SandboxSpec {
  const fields = checkObject('', options ?? {}, SANDBOX_KEYS);
  const limits = fields['limits'] === undefined ? {} : checkObject('limits', fields['limits'], LIMIT_KEYS);
  const network = checkChoice('network', fields['network'], ['none', 'host'], 'none');
  const name = checkText('name', fields['name'], undefined);
  if (name !== undefined && !/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(name)) {
    throw invalidOption('name', 'letters, digits, dots, dashes and underscores', name);
  }
  const security = checkSecurity(fields['security']);
  const { nodes, rules } = checkDevices(fields['devices'], fields['deviceRules']);
  return Object.freeze({
    name,
    image: checkImage(fields['image'], fields['pull']),
    cgroup: { ...checkCgroupLimits(limits), ...(rules === undefined ? {} : { devices: rules }) },
    defaultLimits: DEFAULT_LIMITS,
    writable: checkWritable(fields['writable'], limits['disk']),
    shmBytes: checkSize('shm', fields['shm'], DEFAULT_SHM_BYTES, PAGE_BYTES),
    network,
    mounts: checkList('mounts', fields['mounts'], checkMount),
    devices: nodes,
    hostname: checkHostname(
      'hostname',
      fields['hostname'],
      name?.slice(0, 64) ?? `cloister-${randomBytes(4).toString('hex')}`,
    ),
    domainname: checkHostname('domainname', fields['domainname'], ''),
    readonlyRoot: checkBoolean('readonlyRoot', fields['readonlyRoot'], false),
    sysctls: checkSysctls(fields['sysctls'], network),
    clocks: checkClocks(fields['clocks']),
    ...security,
    labels: checkTexts('labels', fields['labels']),
    health: checkHealth(fields['health']),
    command: checkProcess(fields, {
      cpuTimeMs: checkDuration('limits.cpuTime', limits['cpuTime'], Infinity),
      files: checkInteger('limits.files', limits['files'], [3, 2 ** 31], undefined),
      ids: security.ids,
    }),
  });
}
