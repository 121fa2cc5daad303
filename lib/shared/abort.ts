import { CloisterError } from '../errors.js';

export function abortError(signal: AbortSignal, what: string): CloisterError {
  return new CloisterError('ERR_ABORTED', `${what} was aborted`, { cause: signal.reason });
}

/** @throws CloisterError `ERR_ABORTED` with the signal's reason as its cause. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted === true) throw abortError(signal, what);
}

/** All that wait for one signal, behind one listener. */
interface Crowd {
  readonly members: Set<() => void>;
  readonly tell: () => void;
}

const crowds = new WeakMap<AbortSignal, Crowd>();

/**
 * Calls `listener` when the signal is aborted, until it is disposed of; never for one that is aborted already.
 *
 * Hundreds may wait for one signal. With an event listener for each, Node would warn of a leak from the eleventh on
 * (`EventTarget` and `MaxListenersExceededWarning` in https://nodejs.org/api/events.html), and search all to remove one.
 */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): Disposable {
  if (signal === undefined || signal.aborted) return { [Symbol.dispose]: () => undefined };
  const { members, tell } = crowds.get(signal) ?? gather(signal);
  const member = (): void => listener();
  members.add(member);
  return {
    [Symbol.dispose]: () => {
      if (!members.delete(member) || members.size > 0) return;
      signal.removeEventListener('abort', tell);
      crowds.delete(signal);
    },
  };
}

function gather(signal: AbortSignal): Crowd {
  const members = new Set<() => void>();
  const tell = (): void => {
    for (const member of members) member();
  };
  signal.addEventListener('abort', tell, { once: true });
  const crowd = { members, tell };
  crowds.set(signal, crowd);
  return crowd;
}
