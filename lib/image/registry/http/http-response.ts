import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { Stalled } from './connection-failure.js';

/** When a peer is too slow to be waited for. */
export interface Patience {
  readonly stallMs: number;
  /** Fewer bytes than that within `stallMs` of waiting are a stall: one byte a minute is no download. */
  readonly stallBytes: number;
}

const TICKS = 4;

/**
 * Counts while one waits for a peer; calls `onStall` when too little comes. Time that goes by while nobody waits is no fault
 * of the peer's.
 */
export class StallWatch {
  readonly #timer: NodeJS.Timeout;
  #isWaiting = false;
  #ticks = 0;
  #bytes = 0;

  constructor({ stallMs, stallBytes }: Patience, onStall: () => void) {
    this.#timer = setInterval(() => {
      if (!this.#isWaiting || ++this.#ticks < TICKS) return;
      if (this.#bytes < stallBytes) onStall();
      this.#ticks = 0;
      this.#bytes = 0;
    }, stallMs / TICKS);
    this.#timer.unref();
  }

  async wait<T>(promise: Promise<T>): Promise<T> {
    this.#isWaiting = true;
    try {
      return await promise;
    } finally {
      this.#isWaiting = false;
    }
  }

  count(bytes: number): void {
    this.#bytes += bytes;
  }

  waiting(isWaiting: boolean): void {
    this.#isWaiting = isWaiting;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

export interface ResponseParts {
  readonly status: number;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readable & { dump(options: { limit: number }): Promise<void> };
  readonly patience: Patience;
  /** Makes an error of this library of what the body fails with. */
  readonly explain: (cause: unknown) => unknown;
}

/** An answer whose body has not been read yet: read it, or `discard` it. */
export class HttpResponse {
  readonly status: number;
  readonly url: URL;
  readonly #parts: ResponseParts;

  constructor(parts: ResponseParts) {
    this.status = parts.status;
    this.url = parts.url;
    this.#parts = parts;
  }

  /** One that was sent several times with different values is as good as none. */
  header(name: string): string | undefined {
    const values = new Set(this.headers(name));
    return values.size === 1 ? [...values][0] : undefined;
  }

  headers(name: string): readonly string[] {
    const value: string | readonly string[] | undefined = this.#parts.headers[name];
    return value === undefined ? [] : typeof value === 'string' ? [value] : value;
  }

  /** Bytes; undefined when the peer did not say, or said nonsense. */
  get contentLength(): number | undefined {
    const text = this.header('content-length');
    return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  }

  /** The media type, without parameters, lower case. */
  get contentType(): string | undefined {
    return this.header('content-type')?.split(';')[0]?.trim().toLowerCase();
  }

  /** The body as it comes. Leaving the loop closes the connection. @throws CloisterError `ERR_REGISTRY_UNREACHABLE` */
  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    const { body, patience, explain } = this.#parts;
    const watch = new StallWatch(patience, () => body.destroy(new Stalled('the body stalled')));
    const iterator: AsyncIterator<Uint8Array, unknown> = body[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await watch.wait(iterator.next());
        if (next.done === true) return;
        watch.count(next.value.length);
        yield next.value;
      }
    } catch (cause) {
      throw explain(cause);
    } finally {
      watch.stop();
      // Without an error: what was on its way is not wanted.
      body.destroy();
    }
  }

  /** The whole body; undefined-length bodies too. Longer ones are cut off and refused with `tooLong`. */
  async bytes(limit: number, tooLong?: () => Error): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of this.chunks()) {
      length += chunk.length;
      if (length > limit && tooLong !== undefined) throw tooLong();
      chunks.push(chunk);
      if (length > limit) break;
    }
    return Buffer.concat(chunks).subarray(0, limit);
  }

  /** Reads what is left if it is little, so that the connection can be used again. */
  async discard(): Promise<void> {
    const { body } = this.#parts;
    const late = setTimeout(() => body.destroy(), 2000);
    await body.dump({ limit: 65_536 }).catch(() => undefined);
    clearTimeout(late);
  }
}
