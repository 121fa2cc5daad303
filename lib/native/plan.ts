/**
 * What the launcher and the inits are told, as plain data. `wire.ts` encodes it; `addon/kernel/plan.h` mirrors it.
 * Indices into `fds` are resolved when the message is sent: here a descriptor stands as itself.
 */

/** Flags of `mount_setattr(2)` and `fsmount(2)`. */
export const MOUNT_ATTR = {
  readonly: 0x1n,
  nosuid: 0x2n,
  nodev: 0x4n,
  noexec: 0x8n,
} as const;

/** Namespace flags of `clone3(2)`. */
export const CLONE_NEW = {
  time: 0x80n,
  mount: 0x20000n,
  cgroup: 0x2000000n,
  uts: 0x4000000n,
  ipc: 0x8000000n,
  user: 0x10000000n,
  pid: 0x20000000n,
  network: 0x40000000n,
} as const;

/** A range of `count` user or group ids: `inside` of the sandbox and `outside` of it. */
export interface IdMapEntry {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

export interface DeviceNode {
  /** Below `/dev`, without it. */
  readonly path: string;
  /** `dir` makes a directory, `link` a symbolic link. */
  readonly kind: 'char' | 'block' | 'link' | 'dir';
  readonly major?: number;
  readonly minor?: number;
  readonly mode?: number;
  readonly target?: string;
}

/** A detached mount that the launcher makes with the host's privileges. */
export type Source =
  | {
      readonly kind: 'host';
      readonly fd: number;
      /** The sandbox's ids stand for the tree's own. `if-possible`: on a file system that cannot, files belong to nobody inside. */
      readonly idmap: 'no' | 'yes' | 'if-possible';
      readonly recursive: boolean;
      readonly attributes: bigint;
    }
  | {
      readonly kind: 'tmpfs';
      readonly sizeBytes: number;
      readonly inodes: number;
      readonly mode: number;
      readonly attributes: bigint;
    }
  | {
      readonly kind: 'overlay';
      readonly lowers: readonly number[];
      readonly upper: number;
      readonly upperName: string;
      /** What is written need not survive a crash of the machine: unmounting waits for no disk. */
      readonly unsynced: boolean;
      readonly attributes: bigint;
    }
  | { readonly kind: 'dev'; readonly nodes: readonly DeviceNode[] };

/**
 * What init does, in order. Paths are below the sandbox's root and have no leading slash; `strict` refuses symbolic links in
 * them, without it they may lead anywhere below the root.
 */
export type Step =
  | {
      readonly kind: 'attach';
      readonly path: string;
      readonly source: number;
      readonly file?: boolean;
      readonly strict?: boolean;
    }
  | {
      readonly kind: 'filesystem';
      readonly path: string;
      readonly type: string;
      readonly options?: Readonly<Record<string, string>>;
      readonly attributes: bigint;
      readonly strict?: boolean;
    }
  | { readonly kind: 'mask'; readonly path: string }
  | { readonly kind: 'readonly'; readonly path: string }
  | { readonly kind: 'sysctl'; readonly path: string; readonly value: string }
  /** Made where it is missing. */
  | { readonly kind: 'directory'; readonly path: string };

export interface CapabilitySets {
  readonly bounding: bigint;
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
  readonly ambient: bigint;
}

export interface CommandPlan {
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  /** A name or a number to look up inside; `''` takes `uid`, `gid` and `groups` as given. */
  readonly user: string;
  readonly group: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly umask: number;
  readonly capabilities: CapabilitySets;
  readonly noNewPrivileges: boolean;
  readonly findHome: boolean;
  readonly rlimits: readonly { readonly resource: number; readonly soft: bigint; readonly hard: bigint }[];
  readonly tty: { readonly columns: number; readonly rows: number } | undefined;
}

/** What a command is given at the moment it starts. */
export interface CommandFds {
  readonly id: number;
  /** The sandbox ends with this command. */
  readonly killRest: boolean;
  /** Standard input, output and error; `-1` is `/dev/null`. */
  readonly stdio: readonly [number, number, number];
  /** A v2 directory to be cloned into, that init may write to; `-1`: none. */
  readonly cgroup: number;
  /** `tasks` files of v1 groups, open for writing. */
  readonly cgroupFiles: readonly number[];
}

export interface LaunchPlan {
  readonly namespaces: bigint;
  readonly uidMap: readonly IdMapEntry[];
  readonly gidMap: readonly IdMapEntry[];
  /** The host's id of root in the sandbox that is likely to be launched next: an init can be prepared for it. 0: unknown. */
  readonly nextRoot: number;
  readonly hostname: string;
  readonly domainname: string;
  readonly timeOffsets: { readonly monotonicNs: bigint; readonly boottimeNs: bigint } | undefined;
  readonly sources: readonly Source[];
  readonly root: number;
  /** The source that `takeWritable` gets; `-1`: none. */
  readonly writable: number;
  readonly steps: readonly Step[];
  readonly readonlyRoot: boolean;
  readonly loopback: boolean;
  /** What the attributes of host mounts forbid holds against CAP_SYS_ADMIN inside, too. */
  readonly lockMounts: boolean;
  /** `struct sock_filter[]`; empty: unconfined. */
  readonly seccomp: Uint8Array;
  readonly seccompFlags: number;
  /** The v2 directory into which init is cloned; `-1`: none. */
  readonly cgroup: number;
  /** `tasks` files of the v1 groups that init joins, and that commands inherit. */
  readonly cgroupFiles: readonly number[];
}
