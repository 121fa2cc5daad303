import { CloisterError } from '../../../errors.js';

export function aborted(what: string, signal: AbortSignal): CloisterError {
  return new CloisterError('ERR_ABORTED', `${what}: the AbortSignal was aborted`, { cause: signal.reason });
}

/** Waits for work that goes on, for others, when this caller gives up. @throws CloisterError `ERR_ABORTED` */
export async function unlessAborted<T>(work: Promise<T>, what: string, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  // Nobody may be left to see it fail.
  work.catch(() => undefined);
  if (signal.aborted) throw aborted(what, signal);
  let onAbort = (): void => undefined;
  const end = new Promise<never>((_, reject) => {
    onAbort = () => reject(aborted(what, signal));
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, end]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
