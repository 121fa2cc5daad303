import { realpathSync, statSync, type Stats } from 'node:fs';
import { invalidOption } from '../errors.js';
import { checkText, isPlainObject } from '../shared/option-values.js';
import { parseDuration, parseSize } from '../shared/quantity.js';

export { checkBoolean, checkInteger, checkList, checkObject, checkSignal, checkText } from '../shared/option-values.js';

/** Validation of plain values: each takes the option's name for the message, and what to use when it is absent. */

/** @param least - the kernel takes a 0 for "no limit" in more than one place. */
export function checkSize<T>(option: string, value: unknown, absent: T, least = 0): number | T {
  if (value === undefined) return absent;
  const bytes = parseSize(value);
  if (bytes !== undefined && bytes >= least) return bytes;
  const bound = least === 0 ? '' : `, at least ${least}`;
  throw invalidOption(option, `bytes or a size such as '256MiB'${bound}`, value);
}

export function checkDuration<T>(option: string, value: unknown, absent: T): number | T {
  if (value === undefined) return absent;
  const ms = parseDuration(value);
  if (ms === undefined) throw invalidOption(option, "milliseconds or a duration such as '5s'", value);
  return ms;
}

/** A whole number or `Infinity`, for what the kernel counts in 64 bits. */
export function checkAmount<T>(option: string, value: unknown, absent: T): number | T {
  if (value === undefined) return absent;
  if (value === Infinity || (Number.isSafeInteger(value) && Number(value) >= 0)) return Number(value);
  throw invalidOption(option, 'a whole number of at least 0, or Infinity', value);
}

export function checkNumber<T>(
  option: string,
  value: unknown,
  range: readonly [number, number],
  absent: T,
): number | T {
  if (value === undefined) return absent;
  if (typeof value === 'number' && value >= range[0] && value <= range[1]) return value;
  throw invalidOption(option, `a number from ${range[0]} to ${range[1]}`, value);
}

export function checkChoice<const C extends string, T>(
  option: string,
  value: unknown,
  choices: readonly C[],
  absent: T,
): C | T {
  if (value === undefined) return absent;
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw invalidOption(option, choices.map((choice) => `'${choice}'`).join(' or '), value);
  return found;
}

/** Absolute, without `..`: what a path means must not depend on what lies on the way. */
export function checkPath(option: string, value: unknown): string {
  const path = checkText(option, value, undefined);
  if (path === undefined || !path.startsWith('/') || path.split('/').includes('..')) {
    throw invalidOption(option, "an absolute path without '..'", value);
  }
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  return `/${names.join('/')}`;
}

/** Undefined where nothing is. */
export function lookAt(option: string, path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code ?? String(error);
    if (errno === 'ENOTDIR') return undefined;
    throw invalidOption(option, 'a path that this application can look at', path, `stat(2) says ${errno}`);
  }
}

/** What is at the path, and where that is; somebody may be exchanging it at this moment. */
function lookUp(option: string, path: string): [real: string, about: Stats | undefined] {
  const about = lookAt(option, path);
  try {
    return [realpathSync.native(path), about];
  } catch {
    return [path, undefined];
  }
}

/**
 * Something of the host that a sandbox is given, by its real name. A link is refused: below a directory that some sandbox may
 * write to, it would be that sandbox that chooses.
 */
export function checkHostPath(option: string, value: unknown, expected: string): { path: string; about: Stats } {
  const path = checkPath(option, value);
  const [real, about] = lookUp(option, path);
  if (about === undefined) throw invalidOption(option, `${expected} that exists`, path);
  if (real !== path) throw invalidOption(option, 'a path without symbolic links', path, `it leads to ${real}`);
  return { path, about };
}

export function checkTexts(option: string, value: unknown): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  if (!isPlainObject(value)) throw invalidOption(option, 'an object of texts', value);
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => {
      const text = typeof each === 'number' ? String(each) : each;
      if (text === undefined) throw invalidOption(`${option}.${key}`, 'a text or a number', each);
      return [key, checkText(`${option}.${key}`, text, '')];
    }),
  );
}

export function checkEnv(option: string, value: unknown): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  if (!isPlainObject(value)) throw invalidOption(option, 'an object of texts', value);
  for (const [name, text] of Object.entries(value)) {
    if (name === '' || /[=\0]/.test(name)) throw invalidOption(option, "names without '=' and NUL", name);
    if (typeof text !== 'string' || text.includes('\0'))
      throw invalidOption(`${option}.${name}`, 'a text without NUL characters', text);
  }
  return value as Readonly<Record<string, string>>;
}
