import { CloisterError } from '../errors.js';
import type { Addon } from './addon.js';
import { errnoName } from './errno.js';
import type { CommandFds, CommandPlan, LaunchPlan } from './plan.js';
import type { StatusRecord } from './status.js';

/** A live sandbox, as the layer above sees it. */
export interface KernelSandbox {
  /** Asks init to start a command; its records arrive at the listener. */
  exec(plan: CommandPlan, fds: CommandFds): Promise<void>;
  /** Sends a signal to the main process of a command. */
  signal(command: number, signal: number): Promise<void>;
  /** SIGKILL to init, which ends every process of the sandbox. */
  kill(): Promise<void>;
  /** The plan's `writable` source, after the `ready` record; only once, and before any terminal. */
  takeWritable(): number;
  /** The master end of a command's terminal, after its `terminal` record. */
  takeTerminal(): number;
}

export interface FirstCommand {
  readonly plan: CommandPlan;
  readonly fds: CommandFds;
}

/** The port to the kernel: everything that Node itself cannot do. */
export interface Kernel {
  /** Starts a sandbox. The listener hears every record of it, `gone` or `lost` last. */
  launch(
    plan: LaunchPlan,
    first: FirstCommand | undefined,
    listener: (record: StatusRecord) => void,
  ): Promise<KernelSandbox>;
  /**
   * Gives the launcher cgroup directories (`<base>/<library>/<owner>`) that it removes when this process is gone, also those that
   * do not exist yet. On v1 it moves into the ones that do.
   */
  adoptCgroups(directories: readonly string[]): void;
  /** A detached copy of the mounts at a host path that passes no symbolic link. */
  cloneMount(path: string, recursive: boolean): number;
  /** Read end, write end; ours does not block. */
  pipe(ours: 'read' | 'write'): [number, number];
  tryLock(fd: number): boolean;
  /** The end of a terminal that programs have. While it is open, all that they wrote can be read, also after their end. */
  openTerminalPeer(master: number): number;
  resizeTerminal(fd: number, columns: number, rows: number): void;
  /** Loads an eBPF device program (`struct bpf_insn[]`) and attaches it to a v2 group, given as its directory. */
  attachDeviceFilter(cgroupDirectory: number, program: Uint8Array): void;
  /** Node's event loop stays alive until `release` was called as often. */
  hold(): void;
  release(): void;
  /** Ends the launcher, and with it every sandbox that is left. Resolves when it is gone; the next launch starts another. */
  close(): Promise<void>;
}

/** A failed kernel call as an error for people: `open_tree(2) /var/lib/x: EACCES`. */
export function kernelError(call: { syscall: string; errno: number; subject: string }, hint?: string): CloisterError {
  const errno = errnoName(call.errno);
  const about = call.subject === '' ? '' : ` ${call.subject}`;
  return new CloisterError('ERR_KERNEL', `${call.syscall}${about}: ${errno}`, {
    syscall: call.syscall,
    errno,
    subject: call.subject,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** What the addon throws, and what its promises reject with. */
export function isAddonError(error: unknown): error is { syscall: string; errno: number; subject: string } {
  return typeof error === 'object' && error !== null && 'syscall' in error && 'errno' in error && 'subject' in error;
}

/** Runs a call of the addon; what it throws becomes a CloisterError. */
export function callAddon<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw isAddonError(error) ? kernelError(error) : error;
  }
}

export type { Addon };
