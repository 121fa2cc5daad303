import type { CommandResult } from '../runtime/result.js';
import type { LimitOptions } from './options.js';

interface Stamp {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Id of the sandbox. */
  readonly sandbox: string;
}

interface CommandStamp extends Stamp {
  readonly command: readonly string[];
  /** Inside the sandbox. */
  readonly pid: number | undefined;
}

/** What a sandbox tells, by name. */
export interface SandboxEvents {
  started: Stamp;
  exec: CommandStamp;
  'exec-exit': CommandStamp & { readonly result: CommandResult<string | Uint8Array> };
  /** `count` processes were killed for memory since the last event. */
  oom: Stamp & { readonly count: number };
  /** `count` forks were refused since the last event. */
  'pids-limit': Stamp & { readonly count: number };
  /** Waited `ms` for processor time since the last event. */
  throttled: Stamp & { readonly periods: number; readonly ms: number };
  paused: Stamp;
  resumed: Stamp;
  updated: Stamp & { readonly limits: LimitOptions };
  stopped: Stamp;
  removed: Stamp;
}

export type SandboxEventName = keyof SandboxEvents;

/** One event of any sandbox of a host. */
export type HostEvent = { [Name in SandboxEventName]: { readonly type: Name } & SandboxEvents[Name] }[SandboxEventName];

/** Point-in-time use of a sandbox, all its commands together. */
export interface SandboxStats {
  readonly time: number;
  readonly cpu: {
    /** Of one processor, since the sample before. */ readonly percent: number;
    readonly userMs: number;
    readonly systemMs: number;
    readonly throttledMs: number | undefined;
  };
  readonly memory: {
    readonly bytes: number | undefined;
    readonly peakBytes: number | undefined;
    readonly limitBytes: number | undefined;
  };
  readonly pids: {
    readonly count: number | undefined;
    readonly peak: number | undefined;
    readonly limit: number | undefined;
  };
  readonly io: { readonly readBytes: number | undefined; readonly writeBytes: number | undefined };
  /** Undefined where the kernel does not measure it. */
  readonly pressure: import('../cgroup/usage.js').CgroupPressure | undefined;
}
