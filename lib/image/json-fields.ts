import { CloisterError, invalidOption } from '../errors.js';
import { parseDigest, type Digest } from '../shared/digest.js';

/** Reading of JSON that a stranger wrote: own fields, expected types, bounds. `where` names the place in messages. */
export type Fields = Readonly<Record<string, unknown>>;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws CloisterError `ERR_IMAGE_INVALID` */
export function refuse(where: string, expected: string, got: unknown): never {
  const { message } = invalidOption(where, expected, got);
  throw new CloisterError('ERR_IMAGE_INVALID', message, { subject: where });
}

/** A document that is an object. @throws CloisterError `ERR_IMAGE_INVALID` */
export function parseJson(where: string, bytes: Uint8Array, maxBytes: number): Fields {
  return asObject(where, parseJsonValue(where, bytes, maxBytes));
}

/** @throws CloisterError `ERR_IMAGE_INVALID` */
export function parseJsonValue(where: string, bytes: Uint8Array, maxBytes: number): unknown {
  if (bytes.length > maxBytes) {
    return refuse(where, `at most ${maxBytes} bytes`, bytes.length);
  }
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new CloisterError('ERR_IMAGE_INVALID', `${where}: it is no JSON in UTF-8`, { subject: where, cause });
  }
}

export function asObject(where: string, value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  return refuse(where, 'an object', value);
}

/**
 * Go's parser takes `Layers` for `layers`: a document that has both spellings would be one image here and another one for
 * the scanner that looked at it.
 */
export function refuseOtherSpellings(where: string, fields: Fields, known: readonly string[]): void {
  const names = new Map(known.map((name) => [name.toLowerCase(), name]));
  for (const key of Object.keys(fields)) {
    const name = names.get(key.toLowerCase());
    if (name !== undefined && name !== key) refuse(`${where}.${key}`, `the spelling '${name}'`, fields[key]);
  }
}

/** Own fields only; absent and null are undefined. */
export function own(fields: Fields, key: string): unknown {
  return Object.hasOwn(fields, key) ? (fields[key] ?? undefined) : undefined;
}

export function asList(where: string, value: unknown, max: number): readonly unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.length <= max) return value as unknown[];
  return refuse(where, `an array of at most ${max}`, value);
}

/** Without NUL: the kernel's texts end there. */
export function asText(where: string, value: unknown, maxLength = 65_536): string {
  if (typeof value === 'string' && value.length <= maxLength && !value.includes('\0')) return value;
  return refuse(where, `a text of at most ${maxLength} characters, without NUL`, value);
}

export function asOptionalText(where: string, value: unknown, maxLength?: number): string | undefined {
  return value === undefined ? undefined : asText(where, value, maxLength);
}

export function asTexts(where: string, value: unknown, max: number, maxLength?: number): readonly string[] {
  return Object.freeze(asList(where, value, max).map((each, index) => asText(`${where}[${index}]`, each, maxLength)));
}

/** An object of texts; null is the empty one, as Go's parser has it. */
export function asTextMap(
  where: string,
  value: unknown,
  max: number,
  maxLength?: number,
): Readonly<Record<string, string>> {
  const entries = value === undefined ? [] : Object.entries(asObject(where, value));
  if (entries.length > max) return refuse(where, `at most ${max} fields`, entries.length);
  return Object.freeze(
    Object.fromEntries(
      entries.map(([key, each]) => [asText(where, key, maxLength), asText(`${where}.${key}`, each ?? '', maxLength)]),
    ),
  );
}

export function asInteger(where: string, value: unknown, [least, most]: readonly [number, number]): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  return refuse(where, `an integer from ${least} to ${most}`, value);
}

export function asDigest(where: string, value: unknown): Digest {
  return parseDigest(value) ?? refuse(where, 'a sha256 or sha512 digest', value);
}
