import PQueue from 'p-queue';
import { throwIfAborted } from '../shared/abort.js';

/**
 * Does several things at once. The first failure aborts the others; it rejects with that one, when all have ended.
 *
 * @throws CloisterError `ERR_ABORTED` when the caller's signal ended it.
 */
export async function inParallel<T>(
  items: readonly T[],
  {
    concurrency,
    signal,
    what,
  }: { readonly concurrency: number; readonly signal: AbortSignal | undefined; readonly what: string },
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  throwIfAborted(signal, what);
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const queue = new PQueue({ concurrency });
  const failures: unknown[] = [];
  for (const item of items) {
    void queue.add(async () => {
      if (either.aborted) return;
      try {
        await work(item, either);
      } catch (error) {
        failures.push(error);
        stop.abort(error);
      }
    });
  }
  await queue.onIdle();
  throwIfAborted(signal, what);
  if (failures.length > 0) throw failures[0];
}
