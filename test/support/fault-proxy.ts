import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import { Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { LocalServer } from './http-server.js';

/** What goes wrong with one exchange. Offsets are of the answer's body, as it is on this connection. */
export type Fault =
  /** The connection breaks after so many bytes. */
  | { readonly kind: 'cut'; readonly after: number }
  /** The answer ends early, in good form. */
  | { readonly kind: 'truncate'; readonly after: number }
  | { readonly kind: 'corrupt'; readonly at: number }
  /** The body comes twice. */
  | { readonly kind: 'repeat' }
  /** The whole answer comes twice. */
  | { readonly kind: 'repeat-answer' }
  /** Something else instead of what the registry would say. */
  | { readonly kind: 'answer'; readonly status: number; readonly headers?: OutgoingHttpHeaders; readonly body?: string }
  /** Headers changed, or taken away where undefined. */
  | { readonly kind: 'headers'; readonly set: Readonly<Record<string, string | undefined>> }
  | { readonly kind: 'ignore-range' }
  /** So many bytes at a time, with pauses. */
  | { readonly kind: 'drip'; readonly bytes: number; readonly everyMs: number }
  | { readonly kind: 'delay'; readonly ms: number }
  /** There is never an answer. */
  | { readonly kind: 'hang' }
  /** The headers come byte by byte, for ever. */
  | { readonly kind: 'drip-headers' }
  | { readonly kind: 'length'; readonly announced: number }
  | { readonly kind: 'garbage' }
  /** The request's body is not read to its end, and nothing of it reaches the registry. */
  | { readonly kind: 'cut-request'; readonly after: number }
  /** The request's body is never read. */
  | { readonly kind: 'ignore-request' }
  /** The registry does it, and nobody hears of it. */
  | { readonly kind: 'lose-answer' }
  | { readonly kind: 'rewrite'; readonly path: (path: string) => string };

export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
  /** Bytes of the answer's body that went out. */
  sent: number;
}

interface Rule {
  readonly pattern: RegExp;
  readonly faults: Fault[];
  readonly isEndless: boolean;
}

/** Passes everything on, and counts. */
class Counter extends Transform {
  readonly #exchange: Exchange;
  #at = 0;
  readonly #change: (chunk: Buffer, at: number) => Buffer;

  constructor(exchange: Exchange, change: (chunk: Buffer, at: number) => Buffer) {
    super();
    this.#exchange = exchange;
    this.#change = change;
  }

  override _transform(chunk: Buffer, _: string, done: (error: null, chunk: Buffer) => void): void {
    const changed = this.#change(chunk, this.#at);
    this.#at += chunk.length;
    this.#exchange.sent += changed.length;
    done(null, changed);
  }
}

function flipByte(chunk: Buffer, at: number, where: number): Buffer {
  if (where < at || where >= at + chunk.length) return chunk;
  const copy = Buffer.from(chunk);
  copy[where - at]! ^= 0xff;
  return copy;
}

/** A real HTTP proxy before a real registry, that does to some exchanges what networks and bad servers do. */
export class FaultProxy implements AsyncDisposable {
  readonly seen: Exchange[] = [];
  readonly #upstream: string;
  #rules: Rule[] = [];
  #server: LocalServer | undefined;

  private constructor(upstream: string) {
    this.#upstream = upstream;
  }

  static async start(upstream: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(upstream);
    proxy.#server = await LocalServer.start((request, response) => {
      proxy.#exchange(request, response).catch(() => response.destroy());
    });
    return proxy;
  }

  /** `127.0.0.1:port` */
  get host(): string {
    return this.#server!.host;
  }

  /** One fault for each exchange that matches `METHOD /path`, in this order; then all is well. */
  next(pattern: RegExp, ...faults: Fault[]): void {
    this.#rules.push({ pattern, faults, isEndless: false });
  }

  /** A fault for all exchanges that match. */
  always(pattern: RegExp, fault: Fault): void {
    this.#rules.push({ pattern, faults: [fault], isEndless: true });
  }

  /** All is well again, and nothing was seen. */
  reset(): void {
    this.#rules = [];
    this.seen.length = 0;
  }

  /** Exchanges that match, as they were seen. */
  matching(pattern: RegExp): Exchange[] {
    return this.seen.filter(({ method, path }) => pattern.test(`${method} ${path}`));
  }

  #faultFor(line: string): Fault | undefined {
    const rule = this.#rules.find(({ pattern, faults }) => pattern.test(line) && faults.length > 0);
    return rule?.isEndless === true ? rule.faults[0] : rule?.faults.shift();
  }

  async #exchange(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '' } = request;
    const { range, authorization } = request.headers;
    const exchange: Exchange = { method, path, range, authorization, sent: 0 };
    this.seen.push(exchange);
    const fault = this.#faultFor(`${method} ${path}`);
    if (fault !== undefined && (await this.#refuse(fault, request, response))) return;
    if (fault?.kind === 'delay') await sleep(fault.ms);
    const answer = await this.#forward(request, fault);
    if (fault?.kind === 'lose-answer') {
      answer.resume();
      response.destroy();
      return;
    }
    await this.#respond(answer, response, exchange, fault);
  }

  /** Faults for which the registry is not needed. */
  async #refuse(fault: Fault, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    if (fault.kind === 'answer') {
      request.resume();
      response.writeHead(fault.status, fault.headers ?? {}).end(fault.body ?? '');
    } else if (fault.kind === 'garbage') {
      response.socket!.end('SSH-2.0-OpenSSH_9.2\r\n');
    } else if (fault.kind === 'cut-request') {
      let read = 0;
      for await (const chunk of request) {
        read += (chunk as Buffer).length;
        if (read >= fault.after) break;
      }
      response.destroy();
    } else if (fault.kind === 'ignore-request') {
      request.pause();
    } else if (fault.kind === 'drip-headers') {
      response.socket!.write('HTTP/1.1 200 OK\r\nx-header: ');
      while (!response.socket!.destroyed) {
        response.socket!.write('x');
        await sleep(20);
      }
    } else if (fault.kind !== 'hang') {
      return false;
    }
    return true;
  }

  #forward(request: IncomingMessage, fault: Fault | undefined): Promise<IncomingMessage> {
    const headers = { ...request.headers };
    if (fault?.kind === 'ignore-range') delete headers.range;
    const path = fault?.kind === 'rewrite' ? fault.path(request.url ?? '') : (request.url ?? '');
    const [host, port] = this.#upstream.split(':');
    return new Promise((resolve, reject) => {
      const onward = httpRequest({ host, port, method: request.method, path, headers, agent: false }, resolve);
      onward.on('error', reject);
      // Whoever breaks off here must not leave the registry waiting.
      request.on('close', () => {
        if (!request.complete) onward.destroy();
      });
      request.pipe(onward);
    });
  }

  async #respond(
    answer: IncomingMessage,
    response: ServerResponse,
    exchange: Exchange,
    fault: Fault | undefined,
  ): Promise<void> {
    const headers = changedHeaders(answer, fault);
    response.writeHead(answer.statusCode ?? 502, headers);
    const chunks: Buffer[] = [];
    const corruptAt = fault?.kind === 'corrupt' ? fault.at : undefined;
    const body = answer.pipe(
      new Counter(exchange, (chunk, at) => (corruptAt === undefined ? chunk : flipByte(chunk, at, corruptAt))),
    );
    for await (const each of body) {
      let chunk = each as Buffer;
      const before = exchange.sent - chunk.length;
      if (fault?.kind === 'cut' || fault?.kind === 'truncate') {
        chunk = chunk.subarray(0, Math.max(0, fault.after - before));
        if (before + chunk.length >= fault.after) {
          response.write(chunk);
          exchange.sent = fault.after;
          this.#finish(response, fault);
          return;
        }
      }
      if (fault?.kind === 'repeat' || fault?.kind === 'repeat-answer') chunks.push(chunk);
      if (fault?.kind === 'drip') await drip(response, chunk, fault);
      else if (!response.write(chunk)) await drained(response);
      if (response.destroyed) return;
    }
    if (fault?.kind === 'repeat') for (const chunk of chunks) response.write(chunk);
    if (fault?.kind === 'repeat-answer') {
      const { socket } = response;
      response.end(() => socket?.write(rawAnswer(answer, Buffer.concat(chunks))));
      return;
    }
    response.end();
  }

  #finish(response: ServerResponse, fault: Fault): void {
    if (fault.kind === 'truncate') response.end();
    // What was written has to be on its way first.
    else setTimeout(() => response.destroy(), 5);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }
}

function changedHeaders(answer: IncomingMessage, fault: Fault | undefined): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { ...answer.headers };
  if (fault?.kind === 'truncate' || fault?.kind === 'repeat') delete headers['content-length'];
  if (fault?.kind === 'length') headers['content-length'] = String(fault.announced);
  if (fault?.kind === 'headers')
    for (const [name, value] of Object.entries(fault.set)) {
      headers[name] = value;
    }
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
}

async function drained(response: ServerResponse): Promise<void> {
  const end = new AbortController();
  const events = ['drain', 'close'].map((event) =>
    once(response, event, { signal: end.signal }).catch(() => undefined),
  );
  await Promise.race(events);
  end.abort();
}

async function drip(response: ServerResponse, chunk: Buffer, fault: { bytes: number; everyMs: number }): Promise<void> {
  for (let at = 0; at < chunk.length && !response.destroyed; at += fault.bytes) {
    response.write(chunk.subarray(at, at + fault.bytes));
    await sleep(fault.everyMs);
  }
}

function rawAnswer(answer: IncomingMessage, body: Buffer): Buffer {
  const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${String(value)}`);
  return Buffer.concat([Buffer.from(['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n')), body]);
}
