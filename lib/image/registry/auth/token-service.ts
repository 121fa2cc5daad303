import { CloisterError } from '../../../errors.js';
import { encodeBasic, isToken, secretsOf, type Credentials } from './credentials.js';
import { misbehaviour, readAnswer, refusal } from '../failure.js';
import type { HttpResponse } from '../http/http-response.js';
import type { PlainHttp } from '../http/plain-http.js';
import { follow } from '../http/redirect.js';
import type { HttpRequest, Transport } from '../http/transport.js';

/** Where and how a registry's tokens are to be had. */
export interface TokenService {
  readonly realm: URL;
  readonly service: string | undefined;
}

export interface TokenRequest extends TokenService {
  /** For messages: what the token is for. */
  readonly what: string;
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
  readonly trustOf: string;
}

export interface Token {
  readonly value: string;
  /** Milliseconds since the epoch, by our clock. */
  readonly expiresAt: number;
}

const CLIENT_ID = 'cloister';
const MAX_ANSWER_BYTES = 2 ** 20;
/** The specification's default and least, in seconds. */
const LEAST_LIFE_S = 60;
const LONGEST_LIFE_S = 24 * 3600;
/** A token that is about to expire would do so on its way. */
const MARGIN = 0.1;

/**
 * The address of a token service, as a challenge names it. Credentials go there, so it must be as safe as the registry.
 *
 * @throws CloisterError `ERR_REGISTRY`
 */
export function checkRealm(what: string, registry: URL, realm: string | undefined, plainHttp: PlainHttp): URL {
  const url = realm !== undefined && URL.canParse(realm) ? new URL(realm) : undefined;
  const problem = 'names a token service';
  if (url === undefined) throw misbehaviour(what, registry.host, `${problem} without a proper address`);
  if (url.username !== '' || url.password !== '')
    throw misbehaviour(what, registry.host, `${problem} with a password in its address`);
  if (!plainHttp.allowsStep(registry, url))
    throw misbehaviour(what, registry.host, `${problem} that is less safe than itself, ${url.protocol}//${url.host}`);
  url.hash = '';
  return url;
}

/** @see https://distribution.github.io/distribution/spec/auth/token/ */
function queryRequest({
  realm,
  service,
  scopes,
  credentials,
}: TokenRequest): Pick<HttpRequest, 'method' | 'url' | 'headers'> {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  url.searchParams.set('client_id', CLIENT_ID);
  if (credentials !== undefined && 'username' in credentials) url.searchParams.set('account', credentials.username);
  return { method: 'GET', url, headers: { accept: 'application/json' } };
}

/** @see https://distribution.github.io/distribution/spec/auth/oauth/ */
function formRequest({
  realm,
  service,
  scopes,
  credentials,
}: TokenRequest): Pick<HttpRequest, 'method' | 'url' | 'headers' | 'body'> {
  const form = new URLSearchParams({ client_id: CLIENT_ID, scope: scopes.join(' ') });
  if (service !== undefined) form.set('service', service);
  if (credentials !== undefined && 'identityToken' in credentials) {
    form.set('grant_type', 'refresh_token');
    form.set('refresh_token', credentials.identityToken);
  } else if (credentials !== undefined && 'username' in credentials) {
    form.set('grant_type', 'password');
    form.set('username', credentials.username);
    form.set('password', credentials.password);
  }
  const headers = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' };
  return { method: 'POST', url: realm, headers, body: new TextEncoder().encode(form.toString()) };
}

async function readToken({ what, realm }: TokenRequest, response: HttpResponse): Promise<Token> {
  const bytes = await response.bytes(MAX_ANSWER_BYTES);
  let answer: Readonly<Record<string, unknown>>;
  try {
    // `null` has no fields, and what fails says nothing of the answer: it is a secret.
    answer = { ...(JSON.parse(new TextDecoder().decode(bytes)) as object) };
  } catch {
    throw misbehaviour(what, realm.host, 'answered the request for a token with what is no JSON');
  }
  const value = answer['token'] ?? answer['access_token'];
  if (!isToken(value)) throw misbehaviour(what, realm.host, 'answered the request for a token without one');
  const said = answer['expires_in'];
  const life =
    typeof said === 'number' && said > 0 ? Math.min(Math.max(said, LEAST_LIFE_S), LONGEST_LIFE_S) : LEAST_LIFE_S;
  // Counted from now: the clock that `issued_at` was read from is not ours.
  return { value, expiresAt: Date.now() + life * 1000 * (1 - MARGIN) };
}

/**
 * Gets a token for some scopes: by a query with a name and password or with neither, by a form with an identity token, and
 * by a form too where there are no queries.
 *
 * @throws CloisterError `ERR_UNAUTHORIZED`, `ERR_REGISTRY`, `ERR_REGISTRY_UNREACHABLE`
 */
export async function requestToken(transport: Transport, plainHttp: PlainHttp, request: TokenRequest): Promise<Token> {
  const { credentials, realm, trustOf } = request;
  const what = `${request.what}: token of ${realm.host}`;
  const send = async (parts: Pick<HttpRequest, 'method' | 'url' | 'headers' | 'body'>, secret: string | undefined) =>
    follow(transport, { what, trustOf, ...parts }, secret, plainHttp);
  const basic =
    credentials !== undefined && 'username' in credentials ? `Basic ${encodeBasic(credentials)}` : undefined;
  const isForm = credentials !== undefined && 'identityToken' in credentials;
  let response = await (isForm ? send(formRequest(request), undefined) : send(queryRequest(request), basic));
  if (basic !== undefined && (response.status === 404 || response.status === 405)) {
    await response.discard();
    response = await send(formRequest(request), undefined);
  }
  if (response.status === 200) return readToken(request, response);
  const answer = await readAnswer(response, secretsOf(credentials));
  if (response.status === 400 && isForm) throw refusedGrant(what, realm.host, answer);
  throw refusal({ what, subject: realm.host, isAboutImage: false }, response, answer);
}

/** OAuth 2 answers `invalid_grant` with 400, RFC 6749 5.2. */
function refusedGrant(what: string, host: string, cause: unknown): CloisterError {
  return new CloisterError('ERR_UNAUTHORIZED', `${what}: ${host} refuses the identity token`, {
    subject: host,
    hint: 'log in again',
    cause,
  });
}
