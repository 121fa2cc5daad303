import type { Hash } from 'node:crypto';
import { CloisterError } from '../../errors.js';
import { splitDigest } from '../../shared/digest.js';
import type { Descriptor } from '../descriptor.js';
import { hashFor } from './digest-check.js';
import type { Call, Endpoint } from './endpoint.js';
import { misbehaviour, mismatch } from './failure.js';
import type { HttpResponse } from './http/http-response.js';
import { Backoff, mayPass } from './http/retry.js';

/** The beginning of a blob that is there already, from an earlier try. */
export interface BlobPrefix {
  /** How many bytes of it there are: the first byte to get. */
  readonly offset: number;
  /** Of exactly these bytes, of the digest's algorithm. */
  readonly hash: Hash;
  /**
   * Whoever takes the chunks adds each to `hash` before asking for the next, so that nothing is hashed twice. Default: false,
   * which copies the hash.
   */
  readonly isKept?: boolean;
}

/** A connection that brings that much and breaks may break again as often as before. */
const PROGRESS_BYTES = 256 * 1024;

/** `bytes 5-9/10`, RFC 9110 14.4; `*` for a length that is not known. */
export function parseContentRange(
  value: string | undefined,
): { readonly first: number; readonly last: number; readonly total: number | undefined } | undefined {
  const [, first, last, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(value?.trim() ?? '') ?? [];
  if (first === undefined || last === undefined || total === undefined) return undefined;
  const range = { first: Number(first), last: Number(last), total: total === '*' ? undefined : Number(total) };
  return range.first <= range.last && (range.total === undefined || range.last < range.total) ? range : undefined;
}

/** Gets one blob: in one go when all is well, in as many as it takes otherwise, each going on where the last one broke. */
export class BlobDownload {
  readonly #endpoint: Endpoint;
  readonly #descriptor: Descriptor;
  readonly #call: Call;
  readonly #what: string;
  readonly #hash: Hash;
  readonly #isKept: boolean;
  #position: number;
  /** False after the registry gave another range than was asked for. */
  #usesRanges = true;

  constructor(
    endpoint: Endpoint,
    repository: string,
    descriptor: Descriptor,
    { offset, hash, isKept = false }: BlobPrefix,
    signal: AbortSignal | undefined,
  ) {
    this.#endpoint = endpoint;
    this.#descriptor = descriptor;
    this.#position = offset;
    this.#hash = isKept ? hash : hash.copy();
    this.#isKept = isKept;
    this.#call = {
      what: `get blob ${descriptor.digest}`,
      repository,
      method: 'GET',
      path: `blobs/${descriptor.digest}`,
      access: [{ repository, actions: ['pull'] }],
      expect: [200, 206, 416],
      signal,
    };
    this.#what = endpoint.describe(this.#call);
  }

  /** What has been got and handed on: another place can go on from here. */
  get prefix(): BlobPrefix {
    return { offset: this.#position, hash: this.#hash, isKept: this.#isKept };
  }

  /**
   * The bytes from `prefix` on. Comes to its end only when the whole blob is what its digest says.
   *
   * @throws CloisterError `ERR_DIGEST_MISMATCH`, and what `Endpoint.call` throws when trying again does not help.
   */
  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    const backoff = new Backoff(this.#endpoint.retry, this.#what, this.#call.signal);
    while (this.#position < this.#descriptor.size) {
      const before = this.#position;
      try {
        yield* this.#rest();
        if (this.#position < this.#descriptor.size) throw this.#interrupted();
      } catch (error) {
        if (this.#position - before >= PROGRESS_BYTES) backoff.reset();
        await backoff.wait(error);
      }
    }
    const actual = `${splitDigest(this.#descriptor.digest)[0]}:${this.#hash.copy().digest('hex')}`;
    if (actual !== this.#descriptor.digest)
      throw mismatch(this.#what, `got content of ${actual}`, this.#descriptor.digest);
  }

  async *#rest(): AsyncGenerator<Uint8Array, void, undefined> {
    const asksRange = this.#usesRanges && this.#position > 0;
    const headers = asksRange ? { range: `bytes=${this.#position}-` } : {};
    const response = await this.#endpoint.call({ ...this.#call, headers });
    try {
      yield* this.#take(response, this.#startOf(response, asksRange));
    } finally {
      await response.discard();
    }
  }

  /** Where in the blob an answer's body begins. @throws CloisterError when it cannot be used. */
  #startOf(response: HttpResponse, asksRange: boolean): number {
    const { size, digest } = this.#descriptor;
    const { contentLength, status } = response;
    if (status === 200) {
      if (contentLength === undefined || contentLength === size) return 0;
      throw mayPass(mismatch(this.#what, `expected ${size} bytes, ${contentLength} are announced`, digest));
    }
    // It may do better when it is asked for everything.
    this.#usesRanges = false;
    const refuse = (problem: string): CloisterError =>
      mayPass(misbehaviour(this.#what, response.url.host, `${problem}, asked for bytes from ${this.#position} on`));
    if (status === 416) throw refuse('has no such range');
    const range = parseContentRange(response.header('content-range'));
    if (!asksRange || range === undefined) throw refuse('sends a part without saying which');
    if (range.first !== this.#position || range.last >= size || (range.total ?? size) !== size)
      throw refuse(`sends bytes ${range.first} to ${range.last} of ${range.total ?? 'some'}`);
    this.#usesRanges = true;
    return range.first;
  }

  /** What was there before the position is passed over: a registry that knows no ranges sends it again. */
  async *#take(response: HttpResponse, start: number): AsyncGenerator<Uint8Array, void, undefined> {
    const { size, digest } = this.#descriptor;
    let at = start;
    for await (const chunk of response.chunks()) {
      const news = chunk.subarray(Math.min(chunk.length, Math.max(0, this.#position - at)));
      at += chunk.length;
      if (at > size) throw mismatch(this.#what, `expected ${size} bytes, got more`, digest);
      if (news.length === 0) continue;
      if (!this.#isKept) this.#hash.update(news);
      this.#position += news.length;
      yield news;
    }
  }

  #interrupted(): CloisterError {
    const problem = `ended after ${this.#position} of ${this.#descriptor.size} bytes`;
    const { registry } = this.#endpoint.location;
    return mayPass(
      new CloisterError('ERR_REGISTRY_UNREACHABLE', `${this.#what}: it ${problem}`, { subject: registry }),
    );
  }
}

/** Nothing is there yet. */
export function noPrefix({ digest }: Descriptor): BlobPrefix {
  return { offset: 0, hash: hashFor(digest) };
}
