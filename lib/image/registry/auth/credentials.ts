import { invalidOption } from '../../../errors.js';

/** How one proves to a registry who one is. Never shown in messages. */
export type Credentials =
  | { readonly username: string; readonly password: string }
  /** A refresh token that its authorization service changes into others; `docker login` keeps it as `identitytoken`. */
  | { readonly identityToken: string }
  /** A bearer token for the registry itself, sent as it is. */
  | { readonly registryToken: string };

/** Finds credentials for a registry and what one wants of it. */
export interface CredentialSource {
  /** @returns undefined for none: the request goes without. */
  find(registry: string, repository: string | undefined): Promise<Credentials | undefined>;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !/\p{Cc}/u.test(value);
}

/** What fits into a header, RFC 6750 2.1 and a little more. */
export function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,65536}$/.test(value);
}

/** @throws CloisterError `ERR_INVALID_OPTION`, without showing what was given. */
export function checkCredentials(option: string, value: unknown): Credentials {
  const { username, password, identityToken, registryToken } = (value ?? {}) as Partial<Record<string, unknown>>;
  if (isToken(identityToken)) return Object.freeze({ identityToken });
  if (isToken(registryToken)) return Object.freeze({ registryToken });
  // RFC 7617 2: a colon would end the name.
  if (isText(username) && !username.includes(':') && isText(password)) return Object.freeze({ username, password });
  const expected =
    '{ username, password }, { identityToken } or { registryToken }, texts that are not empty and have no control characters';
  throw invalidOption(option, expected, typeof value === 'object' ? value : undefined);
}

/** Everything that must not reach a message. */
export function secretsOf(credentials: Credentials | undefined): readonly string[] {
  if (credentials === undefined) return [];
  if ('identityToken' in credentials) return [credentials.identityToken];
  if ('registryToken' in credentials) return [credentials.registryToken];
  return [credentials.password, encodeBasic(credentials)];
}

export function encodeBasic({ username, password }: { readonly username: string; readonly password: string }): string {
  return Buffer.from(`${username}:${password}`).toString('base64');
}
