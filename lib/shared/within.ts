import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves when the promise is settled, or after that time. */
export async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  const patience = new AbortController();
  const late = sleep(ms, undefined, { signal: patience.signal }).catch(() => undefined);
  await Promise.race([promise.catch(() => undefined), late]);
  patience.abort();
}
