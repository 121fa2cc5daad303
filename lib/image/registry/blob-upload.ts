import { CloisterError } from '../../errors.js';
import type { Descriptor } from '../descriptor.js';
import type { Repository } from '../reference.js';
import { hasBlob } from './blobs.js';
import type { Call, Endpoint } from './endpoint.js';
import { misbehaviour } from './failure.js';
import type { HttpResponse } from './http/http-response.js';
import { Backoff, canPass, mayPass, withRetries } from './http/retry.js';
import type { Access } from './auth/scope.js';
import { parseUploadRange, readUploadSession, type UploadSession } from './upload-session.js';
import { exactBytes, type OpenSource } from './upload-source.js';

/** How a blob is sent. */
export interface UploadOptions {
  /** Another repository of the same registry that has the blob: nothing is sent then, if the registry allows it. */
  readonly mountFrom?: string | undefined;
  /**
   * How it is sent. `whole` (default): one PUT, and what is left in chunks when that broke or was too large. `single`: one
   * POST, one round trip less where registries can do it. `chunks`: one PATCH after the other, so that no more than a chunk is
   * lost when the connection breaks.
   */
  readonly method?: 'whole' | 'single' | 'chunks' | undefined;
  /** Default: 16 MiB, or more if the registry wants larger ones (`OCI-Chunk-Min-Length`). */
  readonly chunkBytes?: number | undefined;
  /** Called with the number of bytes that the registry has so far. Goes back when a part has to be sent again. */
  readonly onProgress?: ((sentBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What had to be done: nothing, a link to another repository's, or the whole work. */
export type UploadResult = 'present' | 'mounted' | 'uploaded';

const CHUNK_BYTES = 16 * 2 ** 20;
const CANCEL_MS = 10_000;
const TOO_LARGE = 413;

/** Sends one blob. */
export class BlobUpload {
  readonly #endpoint: Endpoint;
  readonly #repository: string;
  readonly #descriptor: Descriptor;
  readonly #open: OpenSource;
  readonly #options: UploadOptions;
  readonly #what: string;
  #isChunked: boolean;

  constructor(
    endpoint: Endpoint,
    { repository }: Repository,
    descriptor: Descriptor,
    open: OpenSource,
    options: UploadOptions,
  ) {
    this.#endpoint = endpoint;
    this.#repository = repository;
    this.#descriptor = descriptor;
    this.#open = open;
    this.#options = options;
    this.#isChunked = options.method === 'chunks';
    this.#what = endpoint.describe({ what: `put blob ${descriptor.digest}`, repository });
  }

  /** All or nothing: an upload that fails is cancelled at the registry. */
  async run(): Promise<UploadResult> {
    if (await hasBlob(this.#endpoint, this.#repository, this.#descriptor, this.#options.signal)) return 'present';
    const started = await this.#start(this.#options.mountFrom);
    if (started === 'mounted') return 'mounted';
    if (started !== 'done') await this.#send(started);
    return 'uploaded';
  }

  async #send(first: UploadSession): Promise<void> {
    const backoff = new Backoff(this.#endpoint.retry, this.#what, this.#options.signal);
    let session = first;
    let furthest = 0;
    try {
      for (;;) {
        const next = await this.#step(session).catch(async (error: unknown) => {
          if (!this.#shrinks(error)) await backoff.wait(error);
          return this.#resume(session);
        });
        if (next === 'done') return;
        if (next.offset > furthest) backoff.reset();
        furthest = Math.max(furthest, next.offset);
        session = next;
      }
    } catch (error) {
      await this.#cancel(session);
      throw error;
    }
  }

  /** POST: begins an upload, or links what another repository has. */
  async #start(mountFrom: string | undefined): Promise<UploadSession | 'mounted' | 'done'> {
    const { digest, size } = this.#descriptor;
    const isSingle = mountFrom === undefined && this.#options.method === 'single' && !this.#isChunked;
    const source: Access[] = mountFrom === undefined ? [] : [{ repository: mountFrom, actions: ['pull'] }];
    const call = this.#call({
      method: 'POST',
      path: 'blobs/uploads/',
      query: mountFrom === undefined ? (isSingle ? { digest } : {}) : { mount: digest, from: mountFrom },
      headers: this.#contentHeaders(isSingle ? size : 0),
      ...(isSingle ? { body: () => this.#bytes(0, size) } : {}),
      access: [...this.#access, ...source],
      expect: [201, 202],
    });
    try {
      return await withRetries(this.#endpoint.retry, this.#what, call.signal, async () => {
        const response = await this.#endpoint.call(call);
        await response.discard();
        if (response.status === 202) return this.#session(response, 0);
        if (isSingle) this.#report(size);
        return mountFrom === undefined ? 'done' : 'mounted';
      });
    } catch (error) {
      if (isSingle && this.#shrinks(error)) return this.#start(undefined);
      // One that may not read the other repository can still send the blob.
      const isRefusal = CloisterError.is(error) && error.code !== 'ERR_ABORTED' && !canPass(error);
      if (mountFrom !== undefined && isRefusal) return this.#start(undefined);
      throw error;
    }
  }

  /** One request on the way from nothing to the whole blob. */
  async #step(session: UploadSession): Promise<UploadSession | 'done'> {
    const { size } = this.#descriptor;
    if (session.offset === 0 && !this.#isChunked) return this.#finish(session, size);
    if (session.offset >= size) return this.#finish(session, 0);
    const chunk = Math.max(this.#options.chunkBytes ?? CHUNK_BYTES, session.leastChunk);
    const end = Math.min(size, session.offset + chunk);
    const response = await this.#endpoint.call(
      this.#call({
        method: 'PATCH',
        path: session.location,
        headers: {
          ...this.#contentHeaders(end - session.offset),
          // Without a unit, as the specification wants it.
          'content-range': `${session.offset}-${end - 1}`,
        },
        body: () => this.#bytes(session.offset, end),
        expect: [202, 204, 416],
      }),
    );
    await response.discard();
    const refuse = (problem: string): CloisterError =>
      mayPass(misbehaviour(this.#what, response.url.host, `${problem}, got bytes ${session.offset} to ${end - 1}`));
    if (response.status === 416) throw refuse('wants another part');
    const there = parseUploadRange(response.header('range')) ?? 0;
    if (there > end || (there > 0 && there <= session.offset)) throw refuse(`says that it has ${there} bytes`);
    return this.#session(response, there === 0 ? end : there, session);
  }

  /** PUT: the rest, which may be all or nothing, and the digest that the whole must have. */
  async #finish(session: UploadSession, length: number): Promise<'done'> {
    const url = new URL(session.location);
    url.searchParams.set('digest', this.#descriptor.digest);
    const response = await this.#endpoint.call(
      this.#call({
        method: 'PUT',
        path: url,
        headers: this.#contentHeaders(length),
        ...(length === 0 ? {} : { body: () => this.#bytes(this.#descriptor.size - length, this.#descriptor.size) }),
        expect: [201, 204],
      }),
    );
    await response.discard();
    this.#report(this.#descriptor.size);
    return 'done';
  }

  /** After a failure: how far the registry has come. A session that it has forgotten begins anew. */
  async #resume(session: UploadSession): Promise<UploadSession | 'done'> {
    const { signal } = this.#options;
    const response = await this.#endpoint
      .call(this.#call({ method: 'GET', path: session.location, expect: [204, 200, 202] }))
      .catch((error: unknown) => {
        if (!CloisterError.is(error) || error.code === 'ERR_ABORTED') throw error;
        return undefined;
      });
    await response?.discard();
    const offset = parseUploadRange(response?.header('range'));
    if (response !== undefined && offset !== undefined && offset > 0 && offset <= this.#descriptor.size)
      return this.#session(response, offset, session);
    // The last answer may have been lost on its way, and all is well.
    if (await hasBlob(this.#endpoint, this.#repository, this.#descriptor, signal)) {
      this.#report(this.#descriptor.size);
      return 'done';
    }
    await this.#cancel(session);
    const anew = await this.#start(undefined);
    return anew === 'mounted' ? 'done' : anew;
  }

  /** A proxy before the registry may limit the size of a request: smaller ones may pass. */
  #shrinks(error: unknown): boolean {
    const status = CloisterError.is(error)
      ? (error.cause as { readonly status?: unknown } | undefined)?.status
      : undefined;
    if (status !== TOO_LARGE || this.#isChunked) return false;
    this.#isChunked = true;
    return true;
  }

  /** Not with the caller's signal, which may be why it ends. */
  async #cancel({ location }: UploadSession): Promise<void> {
    const call = this.#call({ method: 'DELETE', path: location, expect: [204, 202, 200, 404] });
    await this.#endpoint
      .call({ ...call, signal: AbortSignal.timeout(CANCEL_MS) })
      .then((response) => response.discard())
      .catch(() => undefined);
  }

  #session(response: HttpResponse, offset: number, before?: UploadSession): UploadSession {
    const session = readUploadSession(this.#what, response, { offset, plainHttp: this.#endpoint.plainHttp, before });
    this.#report(offset);
    return session;
  }

  #bytes(start: number, end: number): AsyncIterable<Uint8Array> {
    return exactBytes(this.#open, this.#what, { descriptor: this.#descriptor, start, end });
  }

  #contentHeaders(length: number): Record<string, string> {
    return { 'content-type': 'application/octet-stream', 'content-length': String(length) };
  }

  get #access(): readonly Access[] {
    return [{ repository: this.#repository, actions: ['pull', 'push'] }];
  }

  #call(parts: Pick<Call, 'method' | 'path' | 'expect'> & Partial<Call>): Call {
    const what = `put blob ${this.#descriptor.digest}`;
    return { what, repository: this.#repository, access: this.#access, signal: this.#options.signal, ...parts };
  }

  #report(bytes: number): void {
    this.#options.onProgress?.(bytes);
  }
}
