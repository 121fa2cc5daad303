/** Bytes, or a number with a unit: `'256MiB'`, `'1.5GB'`. */
export type Size = number | string;
/** Milliseconds, or a number with a unit: `'5s'`, `'10m'`. */
export type Duration = number | string;

const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
};

const DURATION_UNITS: Readonly<Record<string, number>> = { MS: 1, S: 1e3, M: 60e3, H: 3600e3, D: 86400e3 };

function parse(value: unknown, units: Readonly<Record<string, number>>): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return undefined;
  const [, digits, unit] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*$/i.exec(value) ?? [];
  const factor = unit === undefined ? undefined : units[unit.toUpperCase()];
  return factor === undefined ? undefined : Math.round(Number(digits) * factor);
}

/** Bytes; undefined for what is no size. */
export function parseSize(value: unknown): number | undefined {
  const bytes = parse(value, SIZE_UNITS);
  return bytes !== undefined && Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : undefined;
}

/** Milliseconds; `Infinity` stays; undefined for what is no duration. */
export function parseDuration(value: unknown): number | undefined {
  const ms = parse(value, DURATION_UNITS);
  return ms !== undefined && ms >= 0 && !Number.isNaN(ms) ? ms : undefined;
}
