import { CloisterError } from '../errors.js';
import type { Digest } from '../shared/digest.js';
import type { ImageContext } from './image-context.js';

/** Bytes are not those of their digest: of a source, or stored ones that are not what they were. */
export function isMismatch(error: unknown): boolean {
  return CloisterError.is(error) && error.code === 'ERR_DIGEST_MISMATCH';
}

/** Removes those of the blobs that are damaged, when that is what an error tells. Whether there were any. */
export async function removeIfDamaged(
  { content }: ImageContext,
  error: unknown,
  digests: readonly Digest[],
  signal?: AbortSignal,
): Promise<boolean> {
  if (!isMismatch(error)) return false;
  let removed = false;
  for (const digest of digests)
    if ((await content.has(digest)) && (await content.removeDamaged(digest, signal))) removed = true;
  return removed;
}
