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
    const [record] = await recordsOf(context, name);
    return record === undefined ? getImage(context, name) : readImage(context, record);
  }
  const reference = parseReference(name);
  if (reference.digest === undefined || (await context.names.get(reference.toString())) !== undefined)
    return getImage(context, reference.toString());
  const [record] = await recordsOf(context, name);
  return record === undefined ? getImage(context, reference.toString()) : readImage(context, record);
}

/** The names that stand for what `name@digest` or a digest alone says. */
export async function recordsOf(context: ImageContext, name: string): Promise<readonly ImageRecord[]> {
  const records = await context.names.list();
  const bare = parseDigest(name);
  if (bare !== undefined) return records.filter(isOf(bare));
  const { registry, repository, digest } = parseReference(name);
  if (digest === undefined) return [];
  return records.filter(isOf(digest)).filter((each) => {
    const other = parseReference(each.reference);
    return other.registry === registry && other.repository === repository;
  });
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
