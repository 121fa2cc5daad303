import type { DeviceRule } from '../cgroup/limits.js';
import type { IdMapEntry } from '../native/plan.js';
import type { Capability, SecurityProfile } from '../security/capabilities.js';
import type { PullPolicy } from '../runtime/image.js';
import type { RlimitName, RlimitValue } from '../security/rlimits.js';
import type { SeccompProfile } from '../security/seccomp/profile.js';
import type { Duration, Size } from '../shared/quantity.js';
import type { Host } from './host.js';
import type { Image } from './image.js';
import type { VolumeMount } from './volume.js';

/** Rates and share of the disk behind the sandbox's files. */
export interface IoOptions {
  /** Bytes per second. */
  readBps?: Size;
  /** Bytes per second. */
  writeBps?: Size;
  /** Operations per second. */
  readIops?: number;
  /** Operations per second. */
  writeIops?: number;
  /** Share of a contended disk, 1 to 10,000, 100 is normal. */
  weight?: number;
  /** `MAJ:MIN` of the disk. Default: the one behind the state directory. */
  device?: string;
}

/**
 * What a sandbox may use, all its commands together unless it says otherwise. `Infinity` takes a default away, but for `disk` and
 * `files`, which have no such value. A limit that this machine cannot enforce is `ERR_LIMIT_UNSUPPORTED`.
 */
export interface LimitOptions {
  /** Everything of it that is in memory, files of the private layer included; at least 1 MiB. Default: 512 MiB. */
  memory?: Size;
  /** On top of `memory`. Default: 0. */
  swap?: Size;
  /** Processors' worth of time: 0.5 is half of one. Default: all there are. */
  cpus?: number;
  /** Share of contended processors, 1 to 10,000, 100 is normal. */
  cpuWeight?: number;
  /** Processors to run on: `'0-2,4'`. */
  cpuset?: string;
  /** Processes and threads at one time. Default: 256. */
  pids?: number;
  /** Bytes in the writable layer. Default: 256 MiB; they count as memory, too. */
  disk?: Size;
  /** Default: no limit. */
  io?: IoOptions;
  /** Processor time of one command, user and system, all its processes. Default: no limit. */
  cpuTime?: Duration;
  /** Open files of one process (`RLIMIT_NOFILE`). Default: 1,024, which a program may raise to 4,096; less where the host has few. */
  files?: number;
}

/** A command that is run in the sandbox again and again: exit code 0 is healthy. Sent as the event `health`. */
export interface HealthOptions {
  command: readonly string[];
  /** From the end of one check to the start of the next. Default: 30 s. */
  interval?: Duration;
  /** Default: 30 s. */
  timeout?: Duration;
  /** After the start, during which failures do not count. Default: none. */
  startPeriod?: Duration;
  /** As `interval`, during the start period. Default: 5 s. */
  startInterval?: Duration;
  /** Failures in a row until it is unhealthy. Default: 3. */
  retries?: number;
}

/** `uid`, `uid:gid`, `name` or `name:group`; names are looked up inside. */
export type UserOption = number | string | { uid: number; gid?: number; groups?: readonly number[] };

/** What the programs inside may do. Every value but the default is a decision of the caller's. */
export interface SecurityOptions {
  /** What the sandbox starts from. Default: `'default'`; `'strict'` has no capability at all. */
  profile?: SecurityProfile;
  /**
   * Changes of the profile's set, `drop` first. Names with or without `CAP_`; they count inside the user namespace only. Users other
   * than root start with those of `add` alone, and with `userNamespace: 'host'` without any.
   */
  capabilities?: { add?: readonly (Capability | 'ALL' | string)[]; drop?: readonly (Capability | 'ALL' | string)[] };
  /** A profile in the OCI or Docker form, or `'unconfined'` for none. */
  seccomp?: 'default' | 'unconfined' | SeccompProfile | object;
  /** Default: true. Programs like sudo and su do not work with it. */
  noNewPrivileges?: boolean;
  /** `'auto'`: 65,536 ids of the sandbox's own. `'host'`: root inside is root outside. */
  userNamespace?: 'auto' | 'host' | { uids: readonly IdMapEntry[]; gids: readonly IdMapEntry[] };
}

/** A device of the host that appears inside. */
export interface DeviceOption {
  /** Path on the host, and inside unless `target` says otherwise. */
  path: string;
  /** Below `/dev`. */
  target?: string;
  /** Any of `r`, `w`, `m`. Default: `'rw'`. */
  access?: string;
}

/** What a command runs with; given to a sandbox, the values for all its commands. */
export interface ProcessOptions {
  /** Added to PATH, HOME and, with a terminal, TERM; nothing of the application's own environment is passed on. */
  env?: Readonly<Record<string, string>>;
  /** Path inside. Default: the image's `WorkingDir`, which is made where it is missing, or `'/'`. */
  cwd?: string;
  /** Default: the image's `User`, with the groups of the image's own files, or root inside, which is nobody outside. */
  user?: UserOption;
  /** Default: 0o022. */
  umask?: number;
  /** Limits of each process, getrlimit(2): one number for both, or `{ soft, hard }`; `Infinity` is none. Default: no core files. */
  rlimits?: Partial<Record<RlimitName, number | RlimitValue>>;
  /** Bytes of stdout and stderr together; more ends the command. Default: 10 MiB; `Infinity`: none, and all of it is kept in memory. */
  maxOutput?: Size;
}

/**
 * What a sandbox is made of. Everything is optional; the defaults are fit for untrusted code. All of it is checked before anything is
 * touched: a misspelt or malformed option is `ERR_INVALID_OPTION`.
 */
export interface SandboxOptions extends ProcessOptions {
  /** Letters, digits, dots, dashes and underscores; unlike any other's. Default: the id. */
  name?: string;
  /**
   * `'host'`: the host's own programs, read-only under a private layer. Or an image, by its reference, such as `'debian:12'`, or as an
   * `Image` of the same host: exactly that one, whatever its name stands for by now. Or a directory that holds a root file system.
   */
  image?: 'host' | (string & {}) | Image | { directory: string };
  /** Whether a reference is fetched from its registry: when it is not here (the default), every time, or never. */
  pull?: PullPolicy;
  limits?: LimitOptions;
  /**
   * `'none'` (the default): loopback only. `'host'`: the host's own network, with everything that can be reached from it; on the host's
   * own programs names are found as the host does, by copies of its `/etc/resolv.conf` and `/etc/hosts`.
   */
  network?: 'none' | 'host';
  /** In this order; made by `Volume.bind` and `Volume.tmpfs`. `/proc`, `/sys`, `/dev` and what is below cannot be mounted on. */
  mounts?: readonly VolumeMount[];
  /** Devices of the host by path. */
  devices?: readonly (string | DeviceOption)[];
  /** Rules of the device controller beyond those of `devices`. */
  deviceRules?: readonly DeviceRule[];
  /** Default: the name, or `cloister-` and eight digits. */
  hostname?: string;
  /** The NIS domain name. Default: empty. */
  domainname?: string;
  /** Nothing can be written but to mounts and `/dev/shm`. Default: false. */
  readonlyRoot?: boolean;
  /** Where changes to the root go: `'memory'` (the default; `limits.disk` is their size) or `'disk'`, where nothing limits them. */
  writable?: 'memory' | 'disk';
  /** Size of `/dev/shm`. Default: 64 MiB. */
  shm?: Size;
  /** Only those that belong to the sandbox's own namespaces. */
  sysctls?: Readonly<Record<string, string | number>>;
  /** Moves the clocks seen inside, time_namespaces(7). */
  clocks?: { monotonic?: Duration; boottime?: Duration };
  /** For `Sandbox.list`. */
  labels?: Readonly<Record<string, string>>;
  /** How health is found out; `'none'`: not at all. Default: as the image says. */
  health?: HealthOptions | 'none';
  security?: SecurityOptions;
  /** Ends the sandbox, also while it is being made. */
  signal?: AbortSignal;
  /** Default: `Host.default`. */
  host?: Host;
}

/** How one command runs, over the values of its sandbox. */
export interface ExecOptions<Encoding extends 'utf8' | 'buffer' = 'utf8' | 'buffer'> extends ProcessOptions {
  /**
   * What the program reads: a text, bytes, a stream, `'none'` (the default), or `'pipe'` to write to `stdin` yourself.
   * A text that is not your own goes in as bytes, `Buffer.from(text)`: it could be one of the two words.
   * A stream is destroyed when the command or its input has ended; one that breaks off ends the command, which rejects with
   * `ERR_STDIN`.
   */
  stdin?: 'none' | 'pipe' | (string & {}) | Uint8Array | NodeJS.ReadableStream;
  /** Wall-clock time. Default: 60 s for `Sandbox.run`, 10 min for `exec`, none with a terminal. `Infinity`: none. */
  timeout?: Duration;
  /** Processor time, user and system, all its processes. Default: `limits.cpuTime` of the sandbox. */
  cpuTime?: Duration;
  /** `'utf8'` (the default): `stdout` and `stderr` are texts; `'buffer'`: bytes. */
  encoding?: Encoding;
  /**
   * A terminal of its own instead of three streams, 80 × 24 unless it says otherwise. `stdin` is typed at it, and Ctrl-D after it;
   * without one, type at the command's own `stdin`. A terminal's input does not stay at its end: a program that goes on reading waits.
   */
  tty?: boolean | { columns?: number; rows?: number };
  /** `false` sends stdout and stderr to `/dev/null`. */
  capture?: boolean;
  /** Leaves processes that the command started running when it ends. Default: they are killed. */
  keepDescendants?: boolean;
  /** Throw `ERR_COMMAND_FAILED` for anything but exit code 0. */
  reject?: boolean;
  /** Ends the command with reason `abort`; before its start it rejects with `ERR_ABORTED`. */
  signal?: AbortSignal;
}

/** Those of the sandbox and of its one command; `signal` is the command's. */
export type RunOptions<Encoding extends 'utf8' | 'buffer' = 'utf8' | 'buffer'> = Omit<SandboxOptions, 'name'> &
  ExecOptions<Encoding>;
