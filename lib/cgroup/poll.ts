import { setImmediate, setTimeout } from 'node:timers/promises';

/**
 * Asks until the answer is true, at first without delay and then less and less often; false when `timeoutMs` have passed.
 * cgroupfs can notify through inotify, but for things that take a millisecond a watch costs more than it saves.
 */
export async function pollUntil(timeoutMs: number, isDone: () => boolean): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (let round = 0; ; round++) {
    if (isDone()) return true;
    if (performance.now() >= deadline) return false;
    await (round < 2 ? setImmediate() : setTimeout(Math.min(2 ** (round - 2), 50)));
  }
}
