import { asInteger, asObject, asTexts, own, refuse, type Fields } from './json-fields.js';

const NS_PER_MS = 1e6;

/** Longest duration that a document can hold as an exact number of nanoseconds: 104 days. */
export const MAX_HEALTH_MS = Math.floor(Number.MAX_SAFE_INTEGER / NS_PER_MS);

/** How to find out whether what runs in an image is well. Undefined times and counts are the runtime's choice. */
export interface Healthcheck {
  /** `none` switches off what an image below asked for. */
  readonly kind: 'none' | 'exec' | 'shell';
  /** For `shell` one text, given to the image's shell. */
  readonly command: readonly string[];
  readonly intervalMs: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly startPeriodMs: number | undefined;
  readonly startIntervalMs: number | undefined;
  readonly retries: number | undefined;
}

const KINDS: Readonly<Record<string, Healthcheck['kind']>> = { NONE: 'none', CMD: 'exec', 'CMD-SHELL': 'shell' };

/** 0 is the runtime's choice; tools write numbers below it, too, and mean the same. */
function positive(where: string, fields: Fields, key: string, most: number): number | undefined {
  const value = asInteger(`${where}.${key}`, own(fields, key) ?? 0, [Number.MIN_SAFE_INTEGER, most]);
  return value > 0 ? value : undefined;
}

/** Nanoseconds in the document. */
function milliseconds(where: string, fields: Fields, key: string): number | undefined {
  const nanoseconds = positive(where, fields, key, Number.MAX_SAFE_INTEGER);
  return nanoseconds === undefined ? undefined : nanoseconds / NS_PER_MS;
}

/** @see https://github.com/moby/docker-image-spec/blob/main/spec.md; OCI's configuration reserves the name. */
export function parseHealthcheck(where: string, value: unknown): Healthcheck | undefined {
  if (value === undefined) return undefined;
  const fields = asObject(where, value);
  const [name, ...command] = asTexts(`${where}.Test`, own(fields, 'Test'), 4096);
  if (name === undefined) return undefined;
  const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
  if (kind === undefined) return refuse(`${where}.Test`, "'NONE', 'CMD' or 'CMD-SHELL' first", name);
  if (kind !== 'none' && command.length === 0) return refuse(`${where}.Test`, 'a command', []);
  return Object.freeze({
    kind,
    command: Object.freeze(command),
    intervalMs: milliseconds(where, fields, 'Interval'),
    timeoutMs: milliseconds(where, fields, 'Timeout'),
    startPeriodMs: milliseconds(where, fields, 'StartPeriod'),
    startIntervalMs: milliseconds(where, fields, 'StartInterval'),
    retries: positive(where, fields, 'Retries', 1_000_000),
  });
}

const WORDS: Readonly<Record<Healthcheck['kind'], string>> = { none: 'NONE', exec: 'CMD', shell: 'CMD-SHELL' };

/** As it stands in the document; what is undefined or 0 is left to the runtime. Durations are at most {@link MAX_HEALTH_MS}. */
export function healthcheckJson({ kind, command, retries, ...times }: Healthcheck): Fields {
  const nanoseconds = (ms: number | undefined): number => Math.round((ms ?? 0) * NS_PER_MS);
  const numbers = {
    Interval: nanoseconds(times.intervalMs),
    Timeout: nanoseconds(times.timeoutMs),
    StartPeriod: nanoseconds(times.startPeriodMs),
    StartInterval: nanoseconds(times.startIntervalMs),
    Retries: retries ?? 0,
  };
  return { Test: [WORDS[kind], ...command], ...Object.fromEntries(Object.entries(numbers).filter(([, n]) => n > 0)) };
}

/** The check that a document switches one off with, which an image below may have. */
export const NO_HEALTHCHECK: Healthcheck = Object.freeze({
  kind: 'none',
  command: Object.freeze([]),
  intervalMs: undefined,
  timeoutMs: undefined,
  startPeriodMs: undefined,
  startIntervalMs: undefined,
  retries: undefined,
});
