import { CloisterError, invalidOption } from '../../../errors.js';
import { registryKey } from '../registry-name.js';
import { isToken, type Credentials } from './credentials.js';

/** Docker's `config.json` or `auth.json` of containers-auth.json(5). */
export interface AuthFile {
  /**
   * By registry, or by registry and the beginning of a repository: `quay.io/team`. What is wrong with one of them is no harm to who
   * asks for another.
   */
  readonly auths: ReadonlyMap<string, Credentials | CloisterError>;
  /** Names of helpers by registry; undefined for one that has its credentials in the file, whatever the others have. */
  readonly helpers: ReadonlyMap<string, string | undefined>;
  /** The helper for all the others. */
  readonly store: string | undefined;
}

/** Docker writes the address of its first registry, of the time before there were repositories elsewhere. */
export const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';

function normalizeKey(key: string): string {
  const [, scheme, rest = key] = /^(https?:\/\/)?([\s\S]*)$/.exec(key) ?? [];
  const path = scheme === undefined ? rest.replace(/\/v[12]\/?$/, '') : (rest.split('/')[0] ?? '');
  const [host = '', ...repository] = path.replace(/\/+$/, '').split('/');
  return [registryKey(host), ...repository].join('/');
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `user:password` in base64; some tools fill it up with NUL, and base64(1) breaks its lines, which Go's decoder passes over. */
function decodeAuth(where: string, text64: string): Credentials | CloisterError {
  const auth = text64.replace(/[\r\n]/g, '');
  const isBase64 = /^[A-Za-z0-9+/_-]*={0,2}$/.test(auth);
  const text = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = text.indexOf(':');
  if (!isBase64 || colon < 1) return invalidOption(where, "the base64 of 'user:password'", undefined);
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Undefined for an entry that only says that a helper knows; what is wrong with it, for one that cannot be read. */
function parseEntry(where: string, value: unknown): Credentials | CloisterError | undefined {
  if (!isObject(value)) return invalidOption(where, 'an object', undefined);
  const { auth, username, password, identitytoken, registrytoken } = value;
  if (isToken(registrytoken)) return { registryToken: registrytoken };
  if (isToken(identitytoken)) return { identityToken: identitytoken };
  if (typeof auth === 'string' && auth !== '') return decodeAuth(`${where}.auth`, auth);
  const isPair = typeof username === 'string' && username !== '' && typeof password === 'string';
  return isPair ? { username, password } : undefined;
}

/** The name becomes a part of a program's name; none is as good as empty. */
function parseHelper(where: string, value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string' && /^[\w.-]{1,64}$/.test(value)) return value;
  throw invalidOption(where, "the name of a credential helper, letters, digits, '_', '.' and '-'", value);
}

function entries(where: string, value: unknown): [key: string, value: unknown][] {
  if (value === undefined || value === null) return [];
  if (!isObject(value)) throw invalidOption(where, 'an object', undefined);
  return Object.entries(value);
}

/**
 * @param where - the file's path, for messages, which never show what is inside.
 * @throws CloisterError `ERR_INVALID_OPTION`
 */
export function parseAuthFile(text: string, where: string): AuthFile {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    // The parser's message quotes the text.
    throw invalidOption(where, 'JSON', undefined);
  }
  if (!isObject(document)) throw invalidOption(where, 'an object', undefined);
  const auths = new Map<string, Credentials | CloisterError>();
  for (const [key, value] of entries(`${where}: auths`, document['auths'])) {
    const credentials = parseEntry(`${where}: auths["${key}"]`, value);
    const name = normalizeKey(key);
    // `quay.io` says more than `https://quay.io/v1/`.
    if (credentials !== undefined && (!auths.has(name) || key === name)) auths.set(name, credentials);
  }
  const helpers = entries(`${where}: credHelpers`, document['credHelpers']).map(
    ([key, value]) => [normalizeKey(key), parseHelper(`${where}: credHelpers["${key}"]`, value)] as const,
  );
  return { auths, helpers: new Map(helpers), store: parseHelper(`${where}: credsStore`, document['credsStore']) };
}

/**
 * The entry that says most: `quay.io/team/app` before `quay.io/team` before `quay.io`.
 *
 * @throws CloisterError `ERR_INVALID_OPTION` when it cannot be read.
 */
export function findAuth(
  { auths }: AuthFile,
  registry: string,
  repository: string | undefined,
): Credentials | undefined {
  const parts = [normalizeKey(registry), ...(repository?.split('/') ?? [])];
  for (let length = parts.length; length > 0; length--) {
    const found = auths.get(parts.slice(0, length).join('/'));
    if (CloisterError.is(found)) throw found;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The helper that is asked for a registry, and by which name. */
export function findHelper(
  { helpers, store }: AuthFile,
  registry: string,
): { readonly name: string; readonly server: string } | undefined {
  const key = normalizeKey(registry);
  const name = helpers.has(key) ? helpers.get(key) : store;
  return name === undefined ? undefined : { name, server: key === 'docker.io' ? DOCKER_HUB_KEY : registry };
}
