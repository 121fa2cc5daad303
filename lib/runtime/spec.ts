import type { CgroupLimits } from '../cgroup/limits.js';
import type { DeviceNode, IdMapEntry } from '../native/plan.js';
import type { RootImage } from '../rootfs/rootfs.js';
import type { Capability } from '../security/capabilities.js';
import type { RlimitName, RlimitValue } from '../security/rlimits.js';
import type { SeccompPolicy } from '../security/seccomp/policy.js';

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

/** A user inside: by number, or by a name that is looked up in the sandbox's own `/etc/passwd`. */
export type UserSpec =
  | { readonly kind: 'ids'; readonly uid: number; readonly gid: number; readonly groups: readonly number[] }
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
  readonly cwd: string;
  readonly user: UserSpec;
  readonly umask: number;
  readonly rlimits: Readonly<Partial<Record<RlimitName, RlimitValue>>>;
  /** `Infinity`: none. */
  readonly cpuTimeMs: number;
  readonly maxOutputBytes: number;
}

/** Everything about a sandbox, validated, with defaults filled in, frozen. What `plan…()` works from. */
export interface SandboxSpec {
  readonly name: string | undefined;
  readonly image: RootImage;
  /** As asked for by name. */
  readonly cgroup: CgroupLimits;
  /** Where nothing was asked for; not in force on a host without control groups. */
  readonly defaultLimits: CgroupLimits;
  readonly diskBytes: number;
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
  readonly noNewPrivileges: boolean;
  readonly seccomp: 'default' | 'unconfined' | SeccompPolicy;
  readonly maskKernelPaths: boolean;
  readonly labels: Readonly<Record<string, string>>;
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
