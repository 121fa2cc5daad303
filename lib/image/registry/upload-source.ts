import type { Descriptor } from '../descriptor.js';
import { mismatch } from './failure.js';

/** Opens a blob's bytes from an offset on; called again for another try. */
export type OpenSource = (offset: number) => AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>;

/** The bytes of a blob that one request sends. */
export interface UploadPart {
  readonly descriptor: Descriptor;
  readonly start: number;
  readonly end: number;
}

/**
 * Exactly the bytes that were announced.
 *
 * @param what - for messages.
 * @throws CloisterError `ERR_DIGEST_MISMATCH` for a source that has fewer.
 */
export async function* exactBytes(
  open: OpenSource,
  what: string,
  { descriptor: { digest, size }, start, end }: UploadPart,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = end - start;
  if (left === 0) return;
  for await (const chunk of await open(start)) {
    const part = chunk.subarray(0, left);
    left -= part.length;
    if (part.length > 0) yield part;
    if (left === 0) return;
  }
  throw mismatch(what, `expected ${size} bytes to send, there are ${end - left}`, digest);
}
