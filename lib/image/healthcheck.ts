import { asInteger, asObject, asTexts, own, refuse, type Fields } from './json-fields.js';

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
  return nanoseconds === undefined ? undefined : nanoseconds / 1e6;
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
