import { createSign, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerOptions } from 'node:https';
import { TestAuthority, type Certificate } from './authority.js';
import { bodyOf, LocalServer } from './http-server.js';
import { USER } from './registry.js';

/** One request for a token, as it came. */
export interface TokenRequestSeen {
  readonly method: string;
  readonly authorization: string | undefined;
  readonly parameters: URLSearchParams;
}

export const IDENTITY_TOKEN = 'an-identity-token-of-me';

/**
 * An authorization service as a registry expects one: hands out tokens signed with RS256, which the registry itself verifies.
 * @see https://distribution.github.io/distribution/spec/auth/jwt/
 */
export class TokenServer implements AsyncDisposable {
  readonly service = 'cloister-test-registry';
  readonly issuer = 'cloister-test-issuer';
  readonly seen: TokenRequestSeen[] = [];
  /** Which repositories anybody may pull; the user may do everything with all. */
  readonly readable: (repository: string) => boolean;
  /** Answers to give before the ordinary ones. */
  readonly faults: ((response: ServerResponse) => void)[] = [];
  /** Repositories that nobody may use. */
  hidden: RegExp | undefined;
  lifeSeconds = 300;
  /** Without queries, tokens are had by forms only. */
  hasQueries = true;
  readonly #authority = new TestAuthority();
  readonly #certificate: Certificate;
  #server: LocalServer | undefined;
  readonly #isTls: boolean;

  private constructor(readable: (repository: string) => boolean, isTls: boolean) {
    this.readable = readable;
    this.#isTls = isTls;
    this.#certificate = this.#authority.issue('signer', [], 'clientAuth');
  }

  static async start(
    readable: (repository: string) => boolean = () => false,
    tls?: ServerOptions,
  ): Promise<TokenServer> {
    const server = new TokenServer(readable, tls !== undefined);
    server.#server = await LocalServer.start((request, response) => void server.#answer(request, response), tls);
    return server;
  }

  /** For the registry's configuration. */
  get setUp() {
    const { realm, service, issuer } = this;
    return { realm, service, issuer, certificate: this.#authority.certificate };
  }

  get host(): string {
    return this.#server!.host;
  }

  get realm(): string {
    return `${this.#isTls ? 'https' : 'http'}://${this.host}/token`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.realm);
    const isForm = request.method === 'POST';
    const parameters = isForm ? new URLSearchParams((await bodyOf(request)).toString()) : url.searchParams;
    const { authorization } = request.headers;
    this.seen.push({ method: request.method ?? '', authorization, parameters });
    const fault = this.faults.shift();
    if (fault !== undefined) {
      fault(response);
      return;
    }
    const [status, body] = this.#decide(isForm, parameters, authorization);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }

  #decide(isForm: boolean, parameters: URLSearchParams, authorization: string | undefined): [number, object] {
    if (!isForm && !this.hasQueries) return [405, {}];
    const user = isForm ? formUser(parameters) : queryUser(authorization);
    // Some services say too much.
    if (user === undefined) return [401, { errors: [{ code: 'UNAUTHORIZED', message: `no ${authorization ?? ''}` }] }];
    const token = this.#token(
      user,
      parameters.getAll('scope').flatMap((scope) => scope.split(' ')),
    );
    return [200, { [isForm ? 'access_token' : 'token']: token, expires_in: this.lifeSeconds }];
  }

  #token(user: string, scopes: readonly string[]): string {
    const access = scopes.flatMap((scope) => {
      const [, type, name = '', actions = ''] = /^(\w+):(.+):([a-z,*]+)$/.exec(scope) ?? [];
      const allowed = user === USER.username ? actions.split(',') : this.readable(name) ? ['pull'] : [];
      return type === undefined || allowed.length === 0 || this.hidden?.test(name) === true
        ? []
        : [{ type, name, actions: allowed }];
    });
    const now = Math.floor(Date.now() / 1000);
    const chain = this.#certificate.pem.cert.replace(/-----[A-Z ]+-----|\s/g, '');
    const head = { typ: 'JWT', alg: 'RS256', x5c: [chain] };
    const { issuer: iss, service: aud } = this;
    // A minute earlier: the registry allows for that much only one way.
    const claims = {
      iss,
      aud,
      sub: user,
      iat: now,
      nbf: now - 60,
      exp: now + this.lifeSeconds,
      jti: randomUUID(),
      access,
    };
    const signed = [head, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    return `${signed}.${createSign('RSA-SHA256').update(signed).sign(this.#certificate.pem.key, 'base64url')}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    this.#authority[Symbol.dispose]();
  }
}

/** Undefined for who is not let in; an empty name for anybody. */
function queryUser(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return '';
  const expected = Buffer.from(`${USER.username}:${USER.password}`).toString('base64');
  return authorization === `Basic ${expected}` ? USER.username : undefined;
}

function formUser(parameters: URLSearchParams): string | undefined {
  const isRefresh =
    parameters.get('grant_type') === 'refresh_token' && parameters.get('refresh_token') === IDENTITY_TOKEN;
  const isPassword =
    parameters.get('grant_type') === 'password' &&
    parameters.get('username') === USER.username &&
    parameters.get('password') === USER.password;
  return isRefresh || isPassword ? USER.username : undefined;
}
