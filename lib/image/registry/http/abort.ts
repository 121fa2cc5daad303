import { CloisterError } from '../../../errors.js';
import { onAbort } from '../../../shared/abort.js';
import { deferred } from '../../../shared/deferred.js';

export function aborted(what: string, signal: AbortSignal): CloisterError {
  return new CloisterError('ERR_ABORTED', `${what}: the AbortSignal was aborted`, { cause: signal.reason });
}

/** Waits for work that goes on, for others, when this caller gives up. @throws CloisterError `ERR_ABORTED` */
export async function unlessAborted<T>(work: Promise<T>, what: string, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  // Nobody may be left to see it fail.
  work.catch(() => undefined);
  if (signal.aborted) throw aborted(what, signal);
  const end = deferred<never>();
  using _listening = onAbort(signal, () => end.reject(aborted(what, signal)));
  return await Promise.race([work, end.promise]);
}
