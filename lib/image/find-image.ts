import { parseDigest, type Digest } from '../shared/digest.js';
import { isDamage } from './damage.js';
import type { ImageContext } from './image-context.js';
import type { ImageRecord } from './image-names.js';
import { parseReference } from './reference.js';
import { findImage, getImage, readImage, type StoredImage } from './stored-image.js';

const isOf =
  (digest: Digest) =>
  ({ target, manifest }: ImageRecord): boolean =>
    target.digest === digest || manifest.digest === digest;

/**
 * The image that a person names: by its reference, by `name@digest` whatever tag it came by, or by its digest alone.
 *
 * @throws CloisterError `ERR_INVALID_REFERENCE`, `ERR_IMAGE_NOT_FOUND`
 */
export async function findByName(context: ImageContext, name: string): Promise<StoredImage> {
  const bare = parseDigest(name);
  if (bare !== undefined) {
    const record = (await context.names.list()).find(isOf(bare));
    return record === undefined ? getImage(context, name) : readImage(context, record);
  }
  const reference = parseReference(name);
  const { registry, repository, digest } = reference;
  if (digest === undefined || (await context.names.get(reference.toString())) !== undefined)
    return getImage(context, reference.toString());
  const record = (await context.names.list()).filter(isOf(digest)).find((each) => {
    const other = parseReference(each.reference);
    return other.registry === registry && other.repository === repository;
  });
  return record === undefined ? getImage(context, reference.toString()) : readImage(context, record);
}

/** Every name that stands for an image, in their order; those that are damaged are left out, and pulling heals them. */
export async function listImages(context: ImageContext): Promise<readonly StoredImage[]> {
  const records = await context.names.list();
  const found = await Promise.all(
    records.map(({ reference }) =>
      findImage(context, reference).catch((error: unknown) => {
        if (isDamage(error)) return undefined;
        throw error;
      }),
    ),
  );
  return found.flatMap((image) => image ?? []);
}
