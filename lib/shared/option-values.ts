import { invalidOption } from '../errors.js';

/** Validation of options: each takes the option's name for the message, and what to use when it is absent. */

/** Of options, by their names. */
export type Fields = Readonly<Record<string, unknown>>;

export function isPlainObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object with no other keys than these; a misspelt limit must not go unnoticed. */
export function checkObject(option: string, value: unknown, keys: readonly string[]): Fields {
  if (!isPlainObject(value)) throw invalidOption(option === '' ? 'options' : option, 'an object', value);
  for (const key of Object.keys(value)) {
    if (!keys.includes(key)) {
      throw invalidOption(
        option === '' ? key : `${option}.${key}`,
        `one of ${keys.join(', ')}`,
        value[key],
        'no such option',
      );
    }
  }
  return value;
}

export function checkInteger<T>(
  option: string,
  value: unknown,
  range: readonly [number, number],
  absent: T,
): number | T {
  if (value === undefined) return absent;
  if (Number.isInteger(value) && Number(value) >= range[0] && Number(value) <= range[1]) return Number(value);
  throw invalidOption(option, `a whole number from ${range[0]} to ${range[1]}`, value);
}

export function checkBoolean(option: string, value: unknown, absent: boolean): boolean {
  if (value === undefined) return absent;
  if (typeof value === 'boolean') return value;
  throw invalidOption(option, 'true or false', value);
}

/** Without NUL: the kernel's texts end there. */
export function checkText<T>(option: string, value: unknown, absent: T): string | T {
  if (value === undefined) return absent;
  if (typeof value === 'string' && !value.includes('\0')) return value;
  throw invalidOption(option, 'a text without NUL characters', value);
}

export function checkList<T>(
  option: string,
  value: unknown,
  item: (option: string, value: unknown) => T,
): readonly T[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw invalidOption(option, 'an array', value);
  return value.map((each: unknown, index) => item(`${option}[${index}]`, each));
}

export function checkSignal(option: string, value: unknown): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value;
  throw invalidOption(option, 'an AbortSignal', value);
}
