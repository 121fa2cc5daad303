import { setTimeout as sleep } from 'node:timers/promises';

/** setTimeout of Node takes 31 bits of milliseconds, and more for none at all. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** As long as a timer can be; `Infinity` and everything else beyond becomes 24 days. */
export function timerMs(ms: number): number {
  return Math.min(ms, LONGEST_TIMER_MS);
}

/** Resolves when the promise is settled, or after that time. */
export async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  const patience = new AbortController();
  const late = sleep(timerMs(ms), undefined, { signal: patience.signal }).catch(() => undefined);
  await Promise.race([promise.catch(() => undefined), late]);
  patience.abort();
}
