import { CloisterError } from '../../../errors.js';
import type { Challenge } from './challenge.js';
import { encodeBasic, secretsOf, type Credentials, type CredentialSource } from './credentials.js';
import type { PlainHttp } from '../http/plain-http.js';
import { coversScopes, uniteScopes } from './scope.js';
import { checkRealm, requestToken, type Token, type TokenService } from './token-service.js';
import type { Transport } from '../http/transport.js';

/** A request that wants to be authorized. */
export interface Wish {
  readonly what: string;
  /** Undefined for the registry as a whole. */
  readonly repository: string | undefined;
  readonly scopes: readonly string[];
}

interface KnownToken {
  readonly scopes: readonly string[];
  readonly repository: string | undefined;
  readonly token: Promise<Token>;
  value?: Token;
}

type Scheme = 'none' | 'basic' | TokenService;

const MAX_TOKENS = 256;

/**
 * Knows how one host wants requests to be authorized, and keeps its tokens until they expire. Knows of no caller's signal:
 * others may be waiting for the same token by the time it fires.
 */
export class Authenticator {
  readonly #host: string;
  readonly #base: URL;
  readonly #credentials: CredentialSource;
  readonly #transport: Transport;
  readonly #plainHttp: PlainHttp;
  #scheme: Scheme = 'none';
  #tokens: KnownToken[] = [];
  readonly #secrets = new Set<string>();

  /** @param host - the registry's name as credentials know it. @param base - where it answers. */
  constructor(
    host: string,
    base: URL,
    services: { readonly credentials: CredentialSource; readonly transport: Transport; readonly plainHttp: PlainHttp },
  ) {
    this.#host = host;
    this.#base = base;
    this.#credentials = services.credentials;
    this.#transport = services.transport;
    this.#plainHttp = services.plainHttp;
  }

  /** What messages must not show. */
  get secrets(): readonly string[] {
    return [...this.#secrets, ...this.#tokens.flatMap(({ value }) => value?.value ?? [])];
  }

  /** The header to try first; undefined as long as the registry has not asked for one. */
  async authorization(wish: Wish): Promise<string | undefined> {
    if (this.#scheme === 'none') return undefined;
    if (this.#scheme === 'basic') return this.#basic(wish);
    return this.#bearer(this.#scheme, wish);
  }

  /**
   * The header to try after a 401.
   *
   * @param rejected - what was sent; it is not used again.
   * @throws CloisterError `ERR_UNAUTHORIZED` when there is nothing better.
   */
  async renew(challenges: readonly Challenge[], wish: Wish, rejected: string | undefined): Promise<string> {
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) {
      const { parameters } = bearer;
      const realm = checkRealm(wish.what, this.#base, parameters.get('realm'), this.#plainHttp);
      const service = { realm, service: parameters.get('service') };
      this.#use(service);
      this.#tokens = this.#tokens.filter(({ value }) => value === undefined || `Bearer ${value.value}` !== rejected);
      const asked = parameters.get('scope')?.split(' ') ?? [];
      return this.#bearer(service, { ...wish, scopes: uniteScopes([...wish.scopes, ...asked]) });
    }
    if (!challenges.some(({ scheme }) => scheme === 'basic'))
      throw this.#refuse(wish, 'asks for authentication of a kind that is not known');
    this.#use('basic');
    const header = await this.#basic(wish);
    if (header === undefined) throw this.#refuse(wish, 'asks for a name and a password');
    if (header === rejected) throw this.#refuse(wish, 'refuses the credentials');
    return header;
  }

  #use(scheme: Scheme): void {
    const isSame =
      typeof scheme === 'object' &&
      typeof this.#scheme === 'object' &&
      scheme.realm.href === this.#scheme.realm.href &&
      scheme.service === this.#scheme.service;
    if (isSame) return;
    this.#scheme = scheme;
    this.#tokens = [];
  }

  async #basic(wish: Wish): Promise<string | undefined> {
    const credentials = await this.#find(wish.repository);
    if (credentials === undefined || !('username' in credentials)) return undefined;
    return `Basic ${encodeBasic(credentials)}`;
  }

  async #bearer(service: TokenService, wish: Wish): Promise<string> {
    const known = this.#tokens.find(
      ({ scopes, repository, value }) =>
        repository === wish.repository &&
        (value === undefined || value.expiresAt > Date.now()) &&
        coversScopes(scopes, wish.scopes),
    );
    const { value } = await (known ?? this.#request(service, wish)).token;
    return `Bearer ${value}`;
  }

  #request(service: TokenService, { what, repository, scopes }: Wish): KnownToken {
    const token = this.#find(repository).then(async (credentials) => {
      if (credentials !== undefined && 'registryToken' in credentials)
        return { value: credentials.registryToken, expiresAt: Number.POSITIVE_INFINITY };
      const request = { ...service, what, scopes, credentials, trustOf: this.#base.host };
      return requestToken(this.#transport, this.#plainHttp, request);
    });
    const known: KnownToken = { scopes, repository, token };
    const now = Date.now();
    this.#tokens = [known, ...this.#tokens.filter(({ value }) => value === undefined || value.expiresAt > now)];
    this.#tokens.splice(MAX_TOKENS);
    token.then(
      (value) => {
        known.value = value;
      },
      () => {
        this.#tokens = this.#tokens.filter((each) => each !== known);
      },
    );
    return known;
  }

  async #find(repository: string | undefined): Promise<Credentials | undefined> {
    const credentials = await this.#credentials.find(this.#host, repository);
    for (const secret of secretsOf(credentials)) this.#secrets.add(secret);
    return credentials;
  }

  #refuse({ what }: Wish, problem: string): CloisterError {
    return new CloisterError('ERR_UNAUTHORIZED', `${what}: ${this.#host} ${problem}`, {
      subject: this.#host,
      hint: "log in with 'docker login' or pass the option 'auth'",
    });
  }
}
