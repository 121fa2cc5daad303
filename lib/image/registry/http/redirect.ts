import type { CloisterError } from '../../../errors.js';
import { misbehaviour } from '../failure.js';
import type { HttpResponse } from './http-response.js';
import type { PlainHttp } from './plain-http.js';
import type { HttpRequest, Transport } from './transport.js';

const MAX_REDIRECTS = 5;
/** Those of them that keep method and body, RFC 9110 15.4; after others, clients do not agree on what to send. */
const SAME_METHOD = [307, 308];
const REDIRECTS = [301, 302, 303, ...SAME_METHOD];

export interface FollowedRequest extends HttpRequest {
  /** Opens the body, for each address anew. A body that is given as such, a form with a password, is for its address alone. */
  readonly openBody?: (() => HttpRequest['body']) | undefined;
}

/**
 * Where an answer leads. The address itself is not shown in messages: it is often signed, which makes it a key.
 *
 * @throws CloisterError `ERR_REGISTRY` for an address that is none, or less safe than the one before.
 */
export function nextAddress(what: string, from: URL, location: string | undefined, plainHttp: PlainHttp): URL {
  const refuse = (problem: string): CloisterError => misbehaviour(what, from.host, problem);
  if (location === undefined) throw refuse('leads on without saying where (Location)');
  if (location.length > 16_384 || !URL.canParse(location, from.href)) throw refuse('leads on to what is no address');
  const to = new URL(location, from);
  if (to.username !== '' || to.password !== '') throw refuse('leads on to an address with a password in it');
  if (!plainHttp.allowsStep(from, to)) throw refuse(`leads on to ${to.protocol}//${to.host}, which is less safe`);
  to.hash = '';
  return to;
}

function leadsOn({ method, body }: FollowedRequest, { status }: HttpResponse): boolean {
  if (method === 'GET' || method === 'HEAD') return REDIRECTS.includes(status);
  return body === undefined && SAME_METHOD.includes(status);
}

/**
 * Sends a request and follows where its answer leads, with its body again where it can be opened again. `authorization` is for
 * the first origin only: it stays behind when the way leads to another host, and is not picked up again.
 *
 * @throws CloisterError `ERR_REGISTRY` for a way without end, or one that leaves TLS.
 */
export async function follow(
  transport: Transport,
  { openBody, ...request }: FollowedRequest,
  authorization: string | undefined,
  plainHttp: PlainHttp,
): Promise<HttpResponse> {
  let { url } = request;
  let secret = authorization;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const headers = secret === undefined ? request.headers : { ...request.headers, authorization: secret };
    const body = openBody === undefined ? request.body : openBody();
    const response = await transport.send({ ...request, url, headers, body });
    if (!leadsOn(request, response)) return response;
    await response.discard();
    const next = nextAddress(request.what, url, response.header('location'), plainHttp);
    if (next.origin !== url.origin) secret = undefined;
    url = next;
  }
  throw misbehaviour(request.what, url.host, `leads on more than ${MAX_REDIRECTS} times`);
}
