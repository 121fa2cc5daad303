import type { CgroupLimits } from '../cgroup/limits.js';
import type { DeviceNode, IdMapEntry } from '../native/plan.js';
import type { Capability } from '../security/capabilities.js';
import type { RlimitName, RlimitValue } from '../security/rlimits.js';
import type { HealthCheck } from './health.js';
import type { ImageRequest } from './image.js';
import type { SeccompPolicy } from '../security/seccomp/policy.js';

/** What a sandbox is made of. */
export type SandboxImage =
  | { readonly kind: 'host' }
  | { readonly kind: 'directory'; readonly path: string }
  | ({ readonly kind: 'image' } & ImageRequest);

/** Where its changes go, and how many there may be. */
export interface WritableSpec {
  readonly medium: 'memory' | 'disk';
  readonly sizeBytes: number;
  /** Asked for by name: it must hold then. */
  readonly isSizeAsked: boolean;
}

/** A mount that the user asked for. */
export type MountSpec =
  | {
      readonly kind: 'bind';
      readonly source: string;
      readonly target: string;
      readonly readonly: boolean;
      readonly isFile: boolean;
    }
  | { readonly kind: 'tmpfs'; readonly target: string; readonly sizeBytes: number; readonly mode: number };

/**
 * A user inside: by number; by a number whose groups stand in the sandbox's own `/etc/passwd` and `/etc/group` (`account`); or by a
 * name that is looked up there.
 */
export type UserSpec =
  | { readonly kind: 'ids'; readonly uid: number; readonly gid: number; readonly groups: readonly number[] }
  | { readonly kind: 'account'; readonly uid: number }
  | { readonly kind: 'name'; readonly user: string; readonly group: string; readonly uid: number };

export type SandboxIds =
  | { readonly kind: 'auto' }
  | { readonly kind: 'host' }
  | { readonly kind: 'map'; readonly uids: readonly IdMapEntry[]; readonly gids: readonly IdMapEntry[] };

export interface ClockOffsets {
  readonly monotonicMs: number;
  readonly boottimeMs: number;
}

/** How a command runs; the sandbox's values, each replaceable per command. */
export interface CommandDefaults {
  readonly env: Readonly<Record<string, string>>;
  /** Undefined: the image's own, or `/`. */
  readonly cwd: string | undefined;
  /** Undefined: the image's own, or root inside. */
  readonly user: UserSpec | undefined;
  readonly umask: number;
  readonly rlimits: Readonly<Partial<Record<RlimitName, RlimitValue>>>;
  /** `Infinity`: none. */
  readonly cpuTimeMs: number;
  readonly maxOutputBytes: number;
}

/** Everything about a sandbox, validated, with defaults filled in, frozen. What `plan…()` works from. */
export interface SandboxSpec {
  readonly name: string | undefined;
  readonly image: SandboxImage;
  /** As asked for by name. */
  readonly cgroup: CgroupLimits;
  /** Where nothing was asked for; not in force on a host without control groups. */
  readonly defaultLimits: CgroupLimits;
  readonly writable: WritableSpec;
  readonly shmBytes: number;
  readonly network: 'none' | 'host';
  readonly mounts: readonly MountSpec[];
  readonly devices: readonly DeviceNode[];
  readonly hostname: string;
  readonly domainname: string;
  readonly readonlyRoot: boolean;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly clocks: ClockOffsets | undefined;
  readonly ids: SandboxIds;
  readonly capabilities: ReadonlySet<Capability>;
  /** Those of them that were added by name: a user who is not root has these, too. */
  readonly addedCapabilities: ReadonlySet<Capability>;
  readonly noNewPrivileges: boolean;
  readonly seccomp: 'default' | 'unconfined' | SeccompPolicy;
  readonly maskKernelPaths: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** Undefined: what the image says. */
  readonly health: HealthCheck | 'none' | undefined;
  readonly command: CommandDefaults;
}

/** Where a command's input comes from. */
export type StdinSpec =
  | { readonly kind: 'none' }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'stream'; readonly stream: NodeJS.ReadableStream }
  | { readonly kind: 'pipe' };

/** One command, validated and complete. */
export interface CommandSpec extends CommandDefaults {
  /** Wall-clock time; `Infinity`: no limit. */
  readonly timeoutMs: number;
  /** Empty: what the image starts. */
  readonly argv: readonly string[];
  readonly stdin: StdinSpec;
  readonly tty: { readonly columns: number; readonly rows: number } | undefined;
  readonly encoding: 'utf8' | 'buffer';
  /** `false`: stdout and stderr go to `/dev/null`. */
  readonly capture: boolean;
  readonly keepDescendants: boolean;
  readonly reject: boolean;
  readonly signal: AbortSignal | undefined;
}
