import { CloisterError } from '../errors.js';

export function abortError(signal: AbortSignal, what: string): CloisterError {
  return new CloisterError('ERR_ABORTED', `${what} was aborted`, { cause: signal.reason });
}

/** @throws CloisterError `ERR_ABORTED` with the signal's reason as its cause. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted === true) throw abortError(signal, what);
}
