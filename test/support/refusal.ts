import { expect } from 'vitest';
import { CloisterError } from '../../lib/errors.js';

/** The error that a call throws; a test fails when it does not throw one of ours. */
export function refusal(call: () => unknown): CloisterError {
  try {
    call();
  } catch (error) {
    if (CloisterError.is(error)) return error;
    throw error;
  }
  return expect.unreachable('it did not throw');
}
