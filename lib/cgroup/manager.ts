import type { CgroupLimits, UnmetLimit } from './limits.js';
import type { CgroupSample, CgroupUsage } from './usage.js';

/**
 * How a process gets into a group. The descriptors belong to the group, are close-on-exec and are closed by `remove()`.
 *
 * The process must be single-threaded and in the parent group (or anywhere outside, for a group without a parent). It is made by
 * clone3(2) with `CLONE_INTO_CGROUP` and `directory`, where there is one, and writes "0" into each of `tasks`.
 *
 * Writing `cgroup.procs` would do, too, but takes the kernel's threadgroup lock, which waits for an RCU grace period (5 to 20 ms)
 * unless somebody else did the same a moment ago; neither `CLONE_INTO_CGROUP` nor a thread that moves itself through v1's `tasks`
 * needs that lock (kernel commits ef2c41cf38a7 and 9a3284fad42f).
 */
export interface CgroupEntry {
  /** A v2 directory. Undefined where no v2 hierarchy takes part. */
  readonly directory: number | undefined;
  /** v1's `tasks` files, open for writing. */
  readonly tasks: readonly number[];
}

/** What goes on in a group. Synchronous: a handful of reads from the kernel's memory. */
export interface CgroupReport {
  /** Of this group and everything below, also of what is removed already. */
  usage(): CgroupUsage;
  /**
   * For streams of statistics. With the sample before it reads the less the less has happened since: what cannot have changed while
   * nothing ran is taken from there.
   */
  sample(before?: CgroupSample): CgroupSample;
  /** Process ids of the host, of this group and everything below. */
  processes(): number[];
}

/** What can be done to a group. */
export interface CgroupControl {
  /**
   * Changes the named limits and leaves the others. All or nothing.
   * @throws `ERR_LIMIT_UNSUPPORTED`; `ERR_KERNEL` with errno `EBUSY` when the processes use more memory than the new limit.
   */
  update(changes: CgroupLimits): void;
  /** Resolves when every process is stopped, those of this group and below. @throws `ERR_KERNEL` after ten seconds, thawed again. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** SIGKILL to every process in this group and below; resolves when none is left. Final: the group takes no new process afterwards. */
  kill(): Promise<void>;
  /** Removes the group and its children. Idempotent. @throws `ERR_KERNEL` with errno `EBUSY` when processes stay in it for ten seconds. */
  remove(): Promise<void>;
}

/** One group: a directory in each hierarchy that it needs. */
export interface Cgroup extends CgroupReport, CgroupControl {
  readonly name: string;
  readonly entry: CgroupEntry;
  /** A group below this one for one command. Limits of its own are possible, those of this group hold anyway. */
  child(limits?: CgroupLimits): Cgroup;
}

/**
 * - `sandbox`: has a group of its own for every command, `entry` is for its first process.
 * - `command`: is itself the group of the one command that it will ever hold; `child()` is refused.
 */
export type CgroupRole = 'sandbox' | 'command';

export interface CreateCgroupOptions {
  readonly role?: CgroupRole;
  /** A directory name. Without one the group is named by the manager and may come from its stock of fresh groups. */
  readonly name?: string;
  /**
   * The user on the host who may clone processes into the groups for commands: root of the sandbox's user namespace. v2 asks for
   * the right to write `cgroup.procs` of the new group and of the one above (cgroups.rst, "Delegation Containment"). Limits stay
   * out of reach: no other file and no directory is given away.
   */
  readonly delegateUid?: number | undefined;
}

/** Makes groups and keeps their directories apart from those of other applications. */
export interface CgroupManager {
  readonly kind: 'v1' | 'v2' | 'hybrid' | 'disabled';
  /**
   * Synchronous. A failure leaves nothing behind.
   * @throws `ERR_LIMIT_UNSUPPORTED` naming every limit that this host cannot enforce; `ERR_NAME_IN_USE`; `ERR_KERNEL`; `ERR_PERMISSION`.
   */
  create(limits: CgroupLimits, options?: CreateCgroupOptions): Cgroup;
  /** What of these limits this host cannot enforce. Empty is good. */
  check(limits: CgroupLimits): readonly UnmetLimit[];
  /** One directory per hierarchy. Everything that this manager makes is below: whoever outlives the application removes it there. */
  ownerDirectories(): readonly string[];
  /** Kills and removes the groups of dead owners; returns their labels. `isAlive` defaults to asking /proc. */
  sweep(isAlive?: (owner: string) => boolean): Promise<readonly string[]>;
  /** Removes the stock and, when no group is left, the owner's directories. Idempotent. Groups that still exist stay usable. */
  dispose(): void;
}
