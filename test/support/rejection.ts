import { expect } from 'vitest';
import { CloisterError } from '../../lib/index.js';

/** The error that a promise rejects with; a test fails when it does not. */
export async function rejection(promise: PromiseLike<unknown>): Promise<CloisterError> {
  const error: unknown = await promise.then(
    (value) => expect.unreachable(`resolved with ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (!CloisterError.is(error)) throw error;
  return error;
}
