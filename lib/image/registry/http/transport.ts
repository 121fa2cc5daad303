import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { CloisterError } from '../../../errors.js';
import { onAbort } from '../../../shared/abort.js';
import { aborted } from './abort.js';
import { loadTls, usualAuthorities, type TlsOptions } from './certificates.js';
import { Stalled, unreachable } from './connection-failure.js';
import { HttpResponse, StallWatch, type Patience } from './http-response.js';
import { proxyFor } from './proxy.js';

export interface HttpRequest {
  /** For messages: what is being done. */
  readonly what: string;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The registry on whose behalf this goes out: authorities that are trusted for it are trusted here too. */
  readonly trustOf?: string | undefined;
}

export interface TransportOptions extends Patience {
  readonly tls: Readonly<Record<string, TlsOptions>>;
  readonly certificateDirectories: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly connectionsPerHost: number;
  readonly connectMs: number;
  /** From the end of a request to the end of the answer's headers. */
  readonly headersMs: number;
  /** The same for a request that stores something. */
  readonly storeMs: number;
}

/** A registry that sends us to ever new hosts gets no connection pool for each. */
const MAX_HOSTS = 64;
const MAX_HEADER_BYTES = 64 * 1024;

function isStream(body: HttpRequest['body']): body is AsyncIterable<Uint8Array> {
  return body !== undefined && !(body instanceof Uint8Array);
}

/** Ends a request: when the caller wants it, and when the peer is too slow. */
class RequestEnd {
  readonly controller = new AbortController();
  /** What reading our own body failed with. */
  source: { readonly error: unknown } | undefined;
  readonly #listening: Disposable;
  #timer: NodeJS.Timeout | undefined;

  constructor(signal: AbortSignal | undefined) {
    const end = (): void => this.controller.abort(signal?.reason);
    this.#listening = onAbort(signal, end);
    if (signal?.aborted === true) end();
  }

  stall(problem: string): void {
    this.controller.abort(new Stalled(problem));
  }

  expectHeaders(ms: number): void {
    this.#timer = setTimeout(() => this.stall('no headers in time'), ms);
  }

  gotHeaders(): void {
    clearTimeout(this.#timer);
  }

  release(): void {
    clearTimeout(this.#timer);
    this.#listening[Symbol.dispose]();
  }
}

/** Hands on a request's body and notices when the peer takes none of it. */
async function* watched(body: AsyncIterable<Uint8Array>, patience: Patience, answerMs: number, end: RequestEnd) {
  const watch = new StallWatch(patience, () => end.stall('the peer takes no more'));
  const iterator = body[Symbol.asyncIterator]();
  // Only what reading it fails with: what sending it fails with is thrown in here too, at `yield`.
  const read = async (): Promise<IteratorResult<Uint8Array>> => {
    try {
      return await iterator.next();
    } catch (error) {
      end.source = { error };
      throw error;
    }
  };
  try {
    for (let next = await read(); next.done !== true; next = await read()) {
      watch.waiting(true);
      yield next.value;
      watch.waiting(false);
      watch.count(next.value.length);
    }
    end.expectHeaders(answerMs);
  } finally {
    watch.stop();
    await iterator.return?.();
  }
}

/** Sends single requests. Knows of TLS, proxies, limits and time, and nothing of registries. */
export class Transport {
  readonly #options: TransportOptions;
  readonly #dispatchers = new Map<string, Promise<Dispatcher>>();
  #isClosed = false;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /**
   * @returns whatever status came, redirects too.
   * @throws CloisterError `ERR_REGISTRY_UNREACHABLE`, `ERR_ABORTED`; `ERR_INVALID_OPTION` for certificates and proxies.
   */
  async send(request: HttpRequest): Promise<HttpResponse> {
    const { url, method, headers, signal } = request;
    const proxy = proxyFor(url, this.#options.env);
    const end = new RequestEnd(signal);
    const explain = (cause: unknown): unknown => this.#explain(request, proxy, end, cause);
    try {
      const { request: send } = await import('undici');
      const dispatcher = await this.#dispatcher(url, proxy, request.trustOf);
      const answer = await send(url, {
        method,
        headers: { 'user-agent': 'cloister', 'accept-encoding': 'identity', ...headers },
        body: this.#body(request, end),
        dispatcher,
        signal: end.controller.signal,
      });
      end.gotHeaders();
      answer.body.once('close', () => end.release());
      // An error that comes when nobody reads any more.
      answer.body.on('error', () => undefined);
      const { statusCode: status, body } = answer;
      return new HttpResponse({ status, url, headers: answer.headers, body, patience: this.#options, explain });
    } catch (cause) {
      end.release();
      throw explain(cause);
    }
  }

  /** Ends what is under way, and closes all connections. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const all = [...this.#dispatchers.values()];
    this.#dispatchers.clear();
    await Promise.all(all.map(async (each) => (await each).destroy()));
  }

  #body({ body, method }: HttpRequest, end: RequestEnd) {
    const { headersMs, storeMs } = this.#options;
    if (!isStream(body)) {
      end.expectHeaders(method === 'GET' || method === 'HEAD' ? headersMs : storeMs);
      return body ?? null;
    }
    return Readable.from(watched(body, this.#options, storeMs, end), { objectMode: false });
  }

  #explain({ what, url, signal }: HttpRequest, proxy: URL | undefined, end: RequestEnd, cause: unknown): unknown {
    if (CloisterError.is(cause)) return cause;
    if (end.source !== undefined) return end.source.error;
    if (signal?.aborted === true) return aborted(what, signal);
    if (this.#isClosed) return new CloisterError('ERR_ABORTED', `${what}: the registry client was closed`);
    const reason: unknown = end.controller.signal.aborted ? end.controller.signal.reason : cause;
    return unreachable(what, url.host, proxy === undefined ? undefined : proxy.host, reason);
  }

  #dispatcher(url: URL, proxy: URL | undefined, trustOf: string | undefined): Promise<Dispatcher> {
    const key = `${url.origin} ${trustOf ?? ''}`;
    const known = this.#dispatchers.get(key);
    if (known !== undefined) return known;
    if (this.#isClosed) throw new CloisterError('ERR_ABORTED', 'the registry client was closed');
    const made = this.#connect(url, proxy, trustOf);
    this.#dispatchers.set(key, made);
    made.catch(() => this.#dispatchers.delete(key));
    const [oldest] = this.#dispatchers.keys();
    if (this.#dispatchers.size > MAX_HOSTS && oldest !== undefined) this.#forget(oldest);
    return made;
  }

  #forget(key: string): void {
    const old = this.#dispatchers.get(key);
    this.#dispatchers.delete(key);
    // Waits for what is under way.
    old?.then((dispatcher) => dispatcher.close()).catch(() => undefined);
  }

  async #connect(url: URL, proxy: URL | undefined, trustOf: string | undefined): Promise<Dispatcher> {
    const { Agent, ProxyAgent } = await import('undici');
    const { connectionsPerHost, connectMs, stallMs } = this.#options;
    const tls = url.protocol === 'https:' ? await this.#tls(url.host, trustOf) : {};
    const common = {
      connections: connectionsPerHost,
      pipelining: 1,
      allowH2: false,
      // By watches of our own, which a drop now and then does not fool.
      headersTimeout: 0,
      bodyTimeout: stallMs * 2,
      maxHeaderSize: MAX_HEADER_BYTES,
    };
    if (proxy === undefined) return new Agent({ ...common, connect: { ...tls, timeout: connectMs } });
    const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
    return new ProxyAgent({
      ...common,
      uri: proxy.origin,
      ...(user === ':' ? {} : { token: `Basic ${Buffer.from(user).toString('base64')}` }),
      // What is plain HTTP anyway goes as a plain request: few proxies tunnel to anything but port 443.
      proxyTunnel: url.protocol === 'https:',
      requestTls: { ...tls, timeout: connectMs },
      proxyTls: { timeout: connectMs },
    });
  }

  async #tls(authority: string, trustOf: string | undefined) {
    const { tls, certificateDirectories } = this.#options;
    const own = await loadTls(authority, tls, certificateDirectories);
    const other =
      trustOf === undefined || trustOf === authority ? undefined : await loadTls(trustOf, tls, certificateDirectories);
    const ca = [...own.ca, ...(other?.ca ?? [])];
    return {
      ...(ca.length === 0 ? {} : { ca: [...(await usualAuthorities()), ...ca] }),
      ...(own.cert.length === 0 ? {} : { cert: [...own.cert], key: [...own.key] }),
    };
  }
}
