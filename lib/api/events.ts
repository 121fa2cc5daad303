import type { HealthReport } from '../runtime/health.js';
import type { CommandResult } from '../runtime/result.js';
import type { Digest } from '../shared/digest.js';
import type { LimitOptions } from './options.js';

/** When and where. */
export interface EventStamp {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Id of the sandbox. */
  readonly sandbox: string;
}

/** The same with the command that it is about. */
export interface CommandStamp extends EventStamp {
  /** Program and arguments. */
  readonly command: readonly string[];
  /** Inside the sandbox. */
  readonly pid: number | undefined;
}

/** What a sandbox tells, by name. */
export interface SandboxEvents {
  /** It is set up. */
  started: EventStamp;
  /** A command runs. */
  exec: CommandStamp;
  /** A command has ended; `result` is what its promise resolves with. */
  'exec-exit': CommandStamp & { readonly result: CommandResult<string | Uint8Array> };
  /** `count` processes were killed for memory since the last event. */
  oom: EventStamp & { readonly count: number };
  /** `count` forks were refused since the last event. */
  'pids-limit': EventStamp & { readonly count: number };
  /** Waited `ms` for processor time since the last event. */
  throttled: EventStamp & { readonly periods: number; readonly ms: number };
  paused: EventStamp;
  resumed: EventStamp;
  /** `limits` as they were given to `update`. */
  updated: EventStamp & { readonly limits: LimitOptions };
  /** After the first check and whenever the status has changed. */
  health: EventStamp & HealthReport;
  /** Nothing runs inside any more, for whatever reason. */
  stopped: EventStamp;
  /** Its name is free again. */
  removed: EventStamp;
}

/** The name of an event. */
export type SandboxEventName = keyof SandboxEvents;

/** When, and to which image. */
export interface ImageStamp {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** No event of a sandbox. */
  readonly sandbox?: undefined;
  /** Its name, in full. */
  readonly reference: string;
}

/** The same with the image that the name stands for. */
export interface ImageDigestStamp extends ImageStamp {
  /** Of its manifest. */
  readonly digest: Digest;
}

/** What a host tells of its images, by name. */
export interface ImageEvents {
  /** It was fetched from its registry, or found there unchanged. */
  'image-pulled': ImageDigestStamp;
  /** `digest` is what its registry has by this name now: an index, where it was pushed for several platforms. */
  'image-pushed': ImageDigestStamp;
  /** The name was given, to what `source` stood for. */
  'image-tagged': ImageDigestStamp & { readonly source: string };
  /** The name is gone. */
  'image-removed': ImageStamp;
  /** It came with an archive. */
  'image-loaded': ImageDigestStamp & { readonly path: string | undefined };
  /** It was made of what sandbox `from` had changed. */
  'image-committed': ImageDigestStamp & { readonly from: string };
  /** It was made of a root file system. */
  'image-imported': ImageDigestStamp;
  /** Its root file system was written to an archive. */
  'image-exported': ImageDigestStamp & { readonly path: string | undefined };
  /** It was written to an archive or a directory. */
  'image-saved': ImageDigestStamp & { readonly path: string | undefined };
}

/** The name of an event of images. */
export type ImageEventName = keyof ImageEvents;

/** One event of any sandbox or image of a host. */
export type HostEvent =
  | { [Name in SandboxEventName]: { readonly type: Name } & SandboxEvents[Name] }[SandboxEventName]
  | { [Name in ImageEventName]: { readonly type: Name } & ImageEvents[Name] }[ImageEventName];

/** Point-in-time use of a sandbox, all its commands together. */
export interface SandboxStats {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly cpu: {
    /** Of one processor, since the sample before: two busy ones are 200. 0 in the first sample. */
    readonly percent: number;
    /** Since the sandbox was made, as all that follow. */
    readonly userMs: number;
    readonly systemMs: number;
    /** Time spent waiting because the `cpus` limit was used up. */
    readonly throttledMs: number | undefined;
  };
  readonly memory: {
    /** Now; with the private layer, page cache and the kernel's memory on its behalf. */
    readonly bytes: number | undefined;
    readonly peakBytes: number | undefined;
    readonly limitBytes: number | undefined;
  };
  readonly pids: {
    /** Processes and threads now, without the sandbox's own init. */
    readonly count: number | undefined;
    readonly peak: number | undefined;
    readonly limit: number | undefined;
  };
  /** Bytes that reached a disk, since the sandbox was made. */
  readonly io: { readonly readBytes: number | undefined; readonly writeBytes: number | undefined };
  /** Undefined where the kernel does not measure it. */
  readonly pressure: import('../cgroup/usage.js').CgroupPressure | undefined;
}
