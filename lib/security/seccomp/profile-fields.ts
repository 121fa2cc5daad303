import { CloisterError, invalidOption } from '../../errors.js';

export type Fields = Readonly<Record<string, unknown>>;

/** @throws CloisterError `ERR_SECCOMP_PROFILE` */
export function refuse(where: string, expected: string, got: unknown): never {
  const { message } = invalidOption(where, expected, got);
  throw new CloisterError('ERR_SECCOMP_PROFILE', message, { subject: where });
}

/** Own fields only, and no others than these: a misspelt one would be a rule that is not there. */
export function asObject(where: string, value: unknown, keys: readonly string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(where, 'an object', value);
  const fields = Object.fromEntries(Object.entries(value));
  const unknown = Object.keys(fields).find((key) => !keys.includes(key));
  if (unknown !== undefined)
    return refuse(`${where}.${unknown}`, `one of the fields ${keys.join(', ')}`, fields[unknown]);
  return fields;
}

/** Absent and null are empty. */
export function asList(where: string, value: unknown, max: number): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > max) return refuse(where, `an array of at most ${max}`, value);
  return Array.from(value as unknown[]);
}

export function asText(where: string, value: unknown): string {
  return typeof value === 'string' ? value : refuse(where, 'a text', value);
}

export function asInteger(where: string, value: unknown, [least, most]: readonly [number, number]): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  return refuse(where, `an integer from ${least} to ${most}`, value);
}
