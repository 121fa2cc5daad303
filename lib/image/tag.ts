import type { ImageContext } from './image-context.js';
import { reachableFrom } from './reachable.js';
import type { Reference } from './reference.js';
import { holdImage, type StoredImage } from './stored-image.js';
import { unpackStored } from './unpack-stored.js';

/**
 * Gives an image one more name, or moves a name to it.
 *
 * @returns the image by its new name.
 * @throws CloisterError `ERR_IMAGE_NOT_FOUND` when a part of it was removed in the meantime; `ERR_KERNEL`, `ERR_ABORTED`
 */
export async function tagImage(
  context: ImageContext,
  image: StoredImage,
  target: Reference,
  signal?: AbortSignal,
): Promise<StoredImage> {
  using lease = context.content.lease();
  const roots = [image.record.target, image.record.manifest];
  for (const digest of (await reachableFrom(context, roots)).blobs) await lease.use('blob', digest, signal);
  using _unpacked = await unpackStored(context, image, signal);
  using _hold = await holdImage(context, image, signal);
  // An index that nothing led to any more may be gone; the image that was made from it is not.
  const isTargetHere = await context.content.has(image.record.target.digest);
  const record = {
    reference: target.toString(),
    target: isTargetHere ? image.record.target : image.record.manifest,
    manifest: image.record.manifest,
    updated: Date.now(),
  };
  await context.names.put(record, signal);
  return { ...image, record };
}
