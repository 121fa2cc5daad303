import { parseDigest, type Digest } from '../shared/digest.js';
import { isMismatch } from './damage.js';
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
  const exact = parseDigest(name) ?? parseReference(name).toString();
  const record = (await context.names.get(exact)) ?? (await recordsOf(context, name))[0];
  return record === undefined ? getImage(context, exact) : readImage(context, record);
}

/** The names that stand for what `name@digest` or a digest alone says. */
export async function recordsOf(context: ImageContext, name: string): Promise<readonly ImageRecord[]> {
  const bare = parseDigest(name);
  if (bare !== undefined) return (await context.names.list()).filter(isOf(bare));
  const { registry, repository, digest } = parseReference(name);
  if (digest === undefined) return [];
  return (await context.names.list()).filter(isOf(digest)).filter((each) => {
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
        if (isMismatch(error)) return undefined;
        throw error;
      }),
    ),
  );
  return found.flatMap((image) => image ?? []);
}
