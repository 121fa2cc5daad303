import { CloisterError, invalidOption } from '../../errors.js';
import { unlessAborted } from './http/abort.js';
import { Authenticator } from './auth/authenticator.js';
import { parseChallenges } from './auth/challenge.js';
import { errorCode, isNoTls } from './http/connection-failure.js';
import type { CredentialSource } from './auth/credentials.js';
import { readAnswer, refusal } from './failure.js';
import type { HttpResponse } from './http/http-response.js';
import type { RegistryLocation } from './location.js';
import type { PlainHttp } from './http/plain-http.js';
import { follow } from './http/redirect.js';
import { withRetries, type RetryPolicy } from './http/retry.js';
import { formatScope, uniteScopes, type Access } from './auth/scope.js';
import type { HttpRequest, Transport } from './http/transport.js';

/** What all conversations of one client share. */
export interface RegistryServices {
  readonly transport: Transport;
  readonly plainHttp: PlainHttp;
  readonly credentials: CredentialSource;
  readonly retry: RetryPolicy;
}

/** One request of the distribution protocol. */
export interface Call extends Pick<HttpRequest, 'method' | 'signal'> {
  /** For messages: `get manifest 12`; the repository is added. */
  readonly what: string;
  /** Undefined for the registry as a whole. */
  readonly repository: string | undefined;
  /** Below the repository, or below `/v2/` without one; or an address that the registry gave. */
  readonly path: string | URL;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Called again when the request has to be sent again. */
  readonly body?: () => Uint8Array | AsyncIterable<Uint8Array>;
  readonly access: readonly Access[];
  /** Statuses that are answers; all others are errors. */
  readonly expect: readonly number[];
  /** Whether 404 means that an image is not there. Default: true. */
  readonly isAboutImage?: boolean;
}

/** One registry, or one mirror of it: knows where it answers and how it wants to be asked. */
export class Endpoint {
  readonly location: RegistryLocation;
  readonly #services: RegistryServices;
  #base: Promise<URL> | undefined;
  #authenticator: Authenticator | undefined;

  constructor(location: RegistryLocation, services: RegistryServices) {
    this.location = location;
    this.#services = services;
    const { authority, scheme, registry } = location;
    if (scheme === 'http' && !services.plainHttp.allows(authority))
      throw invalidOption(
        'mirrors',
        `https for ${registry}, or its name in the option 'insecure'`,
        `http://${authority}`,
      );
  }

  get retry(): RetryPolicy {
    return this.#services.retry;
  }

  get plainHttp(): PlainHttp {
    return this.#services.plainHttp;
  }

  /** What is done, in full: `get manifest 12 of registry.example/team/app`. */
  describe({ what, repository }: Pick<Call, 'what' | 'repository'>): string {
    const { registry, prefix } = this.location;
    return repository === undefined ? `${what} of ${registry}` : `${what} of ${registry}/${prefix}${repository}`;
  }

  /**
   * Sends one request: authorized, redirected, once more when the registry asks who is there.
   *
   * @returns an answer with one of the statuses that were expected; its body is the caller's to read or discard.
   * @throws CloisterError `ERR_UNAUTHORIZED`, `ERR_IMAGE_NOT_FOUND`, `ERR_REGISTRY`, `ERR_REGISTRY_UNREACHABLE`, `ERR_ABORTED`.
   */
  async call(call: Call): Promise<HttpResponse> {
    const what = this.describe(call);
    const base = await this.#address(what, call.signal);
    const url = this.#url(base, call);
    const authenticator = this.#authenticate(base);
    const repository = call.repository === undefined ? undefined : this.location.prefix + call.repository;
    const scopes = uniteScopes(call.access.map((access) => formatScope(this.#prefixed(access))));
    const wish = { what, repository, scopes };
    // What the registry sends us to elsewhere is not the registry.
    const isOwn = url.origin === base.origin;
    const header = isOwn ? await unlessAborted(authenticator.authorization(wish), what, call.signal) : undefined;
    let response = await this.#send(call, what, url, header);
    if (response.status === 401 && isOwn && response.url.origin === base.origin) {
      const challenges = parseChallenges(response.headers('www-authenticate'));
      await response.discard();
      const renewed = await unlessAborted(authenticator.renew(challenges, wish, header), what, call.signal);
      response = await this.#send(call, what, url, renewed);
    }
    if (call.expect.includes(response.status)) return response;
    const answer = await readAnswer(response, authenticator.secrets);
    const { registry, prefix } = this.location;
    const subject = call.repository === undefined ? registry : `${registry}/${prefix}${call.repository}`;
    throw refusal({ what, subject, isAboutImage: call.isAboutImage ?? true }, response, answer);
  }

  /** As `call`, again when what failed may pass; `read` is part of what is tried. */
  async try<T>(call: Call, read: (response: HttpResponse) => Promise<T> | T): Promise<T> {
    return withRetries(this.retry, this.describe(call), call.signal, async () => read(await this.call(call)));
  }

  #send({ method, headers, body, signal }: Call, what: string, url: URL, header: string | undefined) {
    const { transport, plainHttp } = this.#services;
    const trustOf = this.location.authority;
    const request = { what, method, url, headers: headers ?? {}, openBody: body, signal, trustOf };
    return follow(transport, request, header, plainHttp);
  }

  #url(base: URL, { repository, path, query }: Call): URL {
    if (path instanceof URL) return path;
    const url = new URL(repository === undefined ? path : `${this.location.prefix}${repository}/${path}`, base);
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
    return url;
  }

  #prefixed(access: Access): Access {
    return access.repository === undefined
      ? access
      : { ...access, repository: this.location.prefix + access.repository };
  }

  #authenticate(base: URL): Authenticator {
    return (this.#authenticator ??= new Authenticator(this.location.registry, base, this.#services));
  }

  async #address(what: string, signal: AbortSignal | undefined): Promise<URL> {
    // Without the caller's signal: others wait for it too.
    const base = (this.#base ??= this.#findBase(what));
    base.catch(() => (this.#base = undefined));
    return unlessAborted(base, what, signal);
  }

  /**
   * TLS wherever it is to be had. Only a host that may be spoken to without is asked whether it can; one that shows a wrong
   * certificate, or wants one, can.
   */
  async #findBase(what: string): Promise<URL> {
    const { authority, scheme } = this.location;
    const secure = new URL(`https://${authority}/v2/`);
    const plain = new URL(`http://${authority}/v2/`);
    if (scheme === 'http') return plain;
    if (scheme === 'https' || !this.#services.plainHttp.allows(authority)) return secure;
    try {
      const request: HttpRequest = { what, method: 'GET', url: secure, headers: {}, trustOf: authority };
      await (await this.#services.transport.send(request)).discard();
      return secure;
    } catch (error) {
      if (!CloisterError.is(error) || error.code !== 'ERR_REGISTRY_UNREACHABLE') throw error;
      const code = errorCode(error.cause);
      // Nobody listens on 443; without a port in its name, it may be on 80.
      if (code === 'ECONNREFUSED' && secure.port !== '') throw error;
      if (code !== 'ECONNREFUSED' && !isNoTls(code)) return secure;
      return plain;
    }
  }
}
