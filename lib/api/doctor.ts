import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { CloisterError } from '../errors.js';
import type { CgroupLimits } from '../cgroup/limits.js';
import type { Services } from '../runtime/services.js';
import { RunningSandbox } from '../runtime/sandbox.js';
import { CAPABILITIES, capabilitiesOf } from '../security/capabilities.js';
import { checkCommand } from './command-spec.js';
import type { RunOptions } from './options.js';
import { checkSandbox } from './sandbox-spec.js';

/** One thing that was looked at on this machine. */
export interface DoctorCheck {
  /** What was looked at. */
  readonly name: string;
  /** `ok`; `limited`: sandboxes work without it; `broken`: no sandbox can be started with the defaults. */
  readonly status: 'ok' | 'limited' | 'broken';
  /** What was found, and why. */
  readonly detail: string;
  /** What to do about it. */
  readonly remedy?: string;
}

/** Everything that was looked at. */
export interface DoctorReport {
  /** Sandboxes with the default options work here. */
  readonly ok: boolean;
  readonly checks: readonly DoctorCheck[];
}

const BILLION = 2 ** 30;

/** One value per limit, chosen so that any host that has the controller accepts it. */
const SAMPLE_LIMITS: CgroupLimits = {
  memoryBytes: BILLION,
  swapBytes: 0,
  cpus: 1,
  cpuWeight: 100,
  cpuset: '0',
  pids: 1000,
  io: { readBps: BILLION, writeBps: BILLION },
  devices: [],
};

/** Limits of every sandbox, asked for or not. */
const DEFAULT_LIMIT_NAMES: readonly string[] = ['memoryBytes', 'swapBytes', 'pids'];

/** What the application's own lack of a capability means for its sandboxes. */
const NEEDED_CAPABILITIES: Readonly<Record<string, readonly [DoctorCheck['status'], string]>> = {
  CAP_SYS_ADMIN: ['broken', 'namespaces and mounts cannot be made'],
  CAP_SETUID: ['broken', 'ids cannot be mapped'],
  CAP_SETGID: ['broken', 'ids cannot be mapped'],
  CAP_CHOWN: ['broken', 'writable layers cannot be given to their sandbox'],
  CAP_DAC_OVERRIDE: ['limited', 'directories of other users cannot be mounted'],
  CAP_MKNOD: ['broken', 'device nodes cannot be made'],
  CAP_KILL: ['broken', 'processes of a sandbox cannot be ended'],
  CAP_SYS_RESOURCE: ['limited', "rlimits cannot be raised above the application's own"],
  CAP_NET_ADMIN: ['limited', 'networks cannot be made'],
};

function describe(error: unknown): Pick<DoctorCheck, 'detail' | 'remedy'> {
  if (!CloisterError.is(error)) return { detail: String(error) };
  const detail = error.message.split('\n  hint: ')[0] ?? error.message;
  return error.hint === undefined ? { detail } : { detail, remedy: error.hint };
}

async function runProbe(services: Services, command: readonly string[], options: RunOptions): Promise<string> {
  const spec = checkSandbox(options);
  const result = await RunningSandbox.run(services, spec, checkCommand(command, {}, spec, 20_000)).result;
  if (result.exitCode === 0) return String(result.stdout).trim();
  const how = result.signal ?? `exit code ${result.exitCode}`;
  throw new CloisterError('ERR_UNSUPPORTED', `${command.join(' ')} inside: ${how} ${String(result.stderr).trim()}`);
}

interface Probe {
  readonly name: string;
  readonly failure: 'limited' | 'broken';
  readonly command: readonly string[];
  readonly options?: RunOptions;
  judge(output: string): Omit<DoctorCheck, 'name'>;
}

const ok = (detail: string): Omit<DoctorCheck, 'name'> => ({ status: 'ok', detail });

/** Tried, not guessed from versions: each is a real sandbox. */
const PROBES: readonly Probe[] = [
  {
    name: 'sandbox with the default options',
    failure: 'broken',
    command: ['sh', '-c', 'echo "$(id -u) $(cat /proc/self/uid_map)"'],
    judge: (output) => ok(`runs; uid inside and map: ${output.replace(/\s+/g, ' ')}`),
  },
  {
    name: 'owners of host files inside (idmapped mounts)',
    failure: 'limited',
    command: ['stat', '-c', '%u', '/usr'],
    judge: (output) =>
      output === '0'
        ? ok("root's files belong to root inside")
        : {
            status: 'limited',
            detail:
              'the file system of /usr cannot be idmapped: its files belong to nobody inside, and set-user-id programs do not work',
            remedy: 'ext4, xfs, btrfs and, from Linux 6.3, tmpfs can; use an image directory on one of these',
          },
  },
  {
    name: 'shifted clocks (time namespace)',
    failure: 'limited',
    command: ['cat', '/proc/uptime'],
    options: { clocks: { boottime: '10000h' } },
    judge: (output) =>
      Number.parseFloat(output) > 36e6 ? ok('available') : { status: 'limited', detail: `no effect: ${output}` },
  },
  {
    name: 'system call filter',
    failure: 'broken',
    command: ['grep', '^Seccomp:', '/proc/self/status'],
    judge: (output) =>
      output.endsWith('2') ? ok('active in every process') : { status: 'broken', detail: `not active: ${output}` },
  },
];

async function checkProbe(services: Services, probe: Probe): Promise<DoctorCheck> {
  try {
    return { name: probe.name, ...probe.judge(await runProbe(services, probe.command, probe.options ?? {})) };
  } catch (error) {
    return { name: probe.name, status: probe.failure, ...describe(error) };
  }
}

function checkCgroups({ cgroups }: Services): DoctorCheck[] {
  if (cgroups.kind === 'disabled') {
    return [{ name: 'control groups', status: 'limited', detail: 'switched off: no limits and no accounting' }];
  }
  const unmet = cgroups.check(SAMPLE_LIMITS);
  const names = Object.keys(SAMPLE_LIMITS).filter((limit) => !unmet.some((each) => each.limit === limit));
  return [
    { name: 'control groups', status: 'ok', detail: `${cgroups.kind}: ${names.join(', ')}` },
    ...unmet.map(({ limit, reason, remedy }): DoctorCheck => {
      const status = DEFAULT_LIMIT_NAMES.includes(limit) ? 'broken' : 'limited';
      return { name: `limit ${limit}`, status, detail: reason, remedy };
    }),
  ];
}

async function checkStorage({ storage }: Services): Promise<DoctorCheck> {
  const name = 'storage of images';
  try {
    const { snapshotter, refused } = await storage();
    const passedOver = refused.map((each) => `; not ${each.name}: ${each.reason}`);
    return { name, status: 'ok', detail: `driver ${snapshotter.name}${passedOver.join('')}` };
  } catch (error) {
    return { name, status: 'limited', ...describe(error) };
  }
}

function checkCapabilities(): DoctorCheck {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  const held = new Set<string>(capabilitiesOf(BigInt(`0x${mask}`)));
  const missing = Object.entries(NEEDED_CAPABILITIES).filter(([name]) => !held.has(name));
  const name = 'capabilities of this process';
  if (missing.length === 0) return { name, status: 'ok', detail: `${held.size} of ${CAPABILITIES.length}` };
  return {
    name,
    status: missing.some(([, [status]]) => status === 'broken') ? 'broken' : 'limited',
    detail: missing.map(([capability, [, effect]]) => `no ${capability}: ${effect}`).join('; '),
    remedy: 'run as root; in a container, add these capabilities or use --privileged',
  };
}

function checkKernel(): DoctorCheck[] {
  const hasPressure = existsSync('/proc/pressure/cpu');
  return [
    { name: 'kernel', status: 'ok', detail: `Linux ${release()} on ${process.arch}` },
    hasPressure
      ? { name: 'pressure (PSI)', status: 'ok', detail: 'measured' }
      : {
          name: 'pressure (PSI)',
          status: 'limited',
          detail: 'this kernel does not measure it: stats() has none',
          remedy: 'boot with psi=1',
        },
  ];
}

/** Looks at everything; one thing that does not work does not keep the others from being looked at. */
export async function diagnose(open: () => Services): Promise<DoctorReport> {
  const checks = [...checkKernel(), checkCapabilities()];
  try {
    const services = open();
    checks.push(
      { name: 'native part', status: 'ok', detail: 'addon and launcher are there' },
      ...checkCgroups(services),
    );
    checks.push(await checkStorage(services));
    for (const probe of PROBES) checks.push(await checkProbe(services, probe));
  } catch (error) {
    checks.push({ name: 'host', status: 'broken', ...describe(error) });
  }
  return { ok: checks.every(({ status }) => status !== 'broken'), checks };
}
