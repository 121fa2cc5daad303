import { setTimeout as sleep } from 'node:timers/promises';
import { CloisterError } from '../../../errors.js';
import { aborted } from './abort.js';

export interface RetryPolicy {
  /** How often a thing is tried in all. */
  readonly attempts: number;
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  /** A registry that asks for more patience than that is taken at its word, and given up. */
  readonly maxRetryAfterMs: number;
}

/** What may pass by itself, with the time that the registry asked to wait. */
const passing = new WeakMap<CloisterError, number>();

/** Says of an error that another try may fare better. */
export function mayPass(error: CloisterError, afterMs = 0): CloisterError {
  passing.set(error, afterMs);
  return error;
}

export function canPass(error: unknown): error is CloisterError {
  return CloisterError.is(error) && passing.has(error);
}

/**
 * `Retry-After` in milliseconds from now, RFC 9110 10.2.3: seconds or a date; undefined for anything else.
 */
export function parseRetryAfter(value: string | undefined, now: number): number | undefined {
  const text = value?.trim() ?? '';
  if (/^\d{1,10}$/.test(text)) return Number(text) * 1000;
  // The day's name first: `Date.parse` takes much that is no date of HTTP.
  if (!/^[A-Z][a-z]{2}/.test(text) || text.length > 64) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

/** Waits between tries, longer each time and never for the same time as others do. */
export class Backoff {
  readonly #policy: RetryPolicy;
  readonly #what: string;
  readonly #signal: AbortSignal | undefined;
  #failures = 0;

  constructor(policy: RetryPolicy, what: string, signal: AbortSignal | undefined) {
    this.#policy = policy;
    this.#what = what;
    this.#signal = signal;
  }

  /** There was progress: what failed before counts no more. */
  reset(): void {
    this.#failures = 0;
  }

  /** Waits until the next try is due. @throws the error itself when it will not pass or has come too often. */
  async wait(error: unknown): Promise<void> {
    if (this.#signal?.aborted === true) throw aborted(this.#what, this.#signal);
    if (!canPass(error) || ++this.#failures >= this.#policy.attempts) throw error;
    const asked = passing.get(error) ?? 0;
    if (asked > this.#policy.maxRetryAfterMs) throw error;
    const most = Math.min(this.#policy.maxDelayMs, this.#policy.baseDelayMs * 2 ** (this.#failures - 1));
    const delay = Math.max(asked, (most * (1 + Math.random())) / 2);
    // One of its own, as each adds a listener: AbortSignal.any() adds none to the caller's.
    const signal = AbortSignal.any(this.#signal === undefined ? [] : [this.#signal]);
    await sleep(delay, undefined, { signal }).catch(() => {
      throw this.#signal === undefined ? error : aborted(this.#what, this.#signal);
    });
  }
}

export async function withRetries<T>(
  policy: RetryPolicy,
  what: string,
  signal: AbortSignal | undefined,
  attempt: () => Promise<T>,
): Promise<T> {
  const backoff = new Backoff(policy, what, signal);
  for (;;) {
    try {
      if (signal?.aborted === true) throw aborted(what, signal);
      return await attempt();
    } catch (error) {
      await backoff.wait(error);
    }
  }
}
