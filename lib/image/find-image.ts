import { CloisterError } from '../errors.js';
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

/** The images with this id, once for each of their names. */
async function imagesOfId(context: ImageContext, id: Digest): Promise<readonly StoredImage[]> {
  return (await listImages(context)).filter(({ manifest }) => manifest.config.digest === id);
}

/**
 * Several manifests may have one configuration, such as those of compressed layers and of plain ones.
 *
 * @throws CloisterError `ERR_IMAGE_NOT_FOUND` when it is none or not only one.
 */
async function findById(context: ImageContext, id: Digest): Promise<StoredImage> {
  const [image, ...others] = await imagesOfId(context, id);
  if (image === undefined) return getImage(context, id);
  const { digest } = image.record.manifest;
  if (others.every(({ record }) => record.manifest.digest === digest)) return image;
  const names = [image, ...others].map(({ record }) => record.reference).join(', ');
  throw new CloisterError('ERR_IMAGE_NOT_FOUND', `expected one image with the id ${id}, there are several: ${names}`, {
    subject: id,
    hint: 'give one of these names, or the digest of its manifest',
  });
}

/**
 * The image that a person names: by its reference, by `name@digest` whatever tag it came by, by its digest alone, or by its id,
 * the digest of its configuration.
 *
 * @throws CloisterError `ERR_INVALID_REFERENCE`, `ERR_IMAGE_NOT_FOUND`
 */
export async function findByName(context: ImageContext, name: string): Promise<StoredImage> {
  const bare = parseDigest(name);
  const exact = bare ?? parseReference(name).toString();
  const record = (await context.names.get(exact)) ?? (await recordsOfDigest(context, name))[0];
  if (record !== undefined) return readImage(context, record);
  return bare === undefined ? getImage(context, exact) : findById(context, bare);
}

/** The names that stand for what `name@digest`, a digest alone or an id says. */
export async function recordsOf(context: ImageContext, name: string): Promise<readonly ImageRecord[]> {
  const records = await recordsOfDigest(context, name);
  const bare = parseDigest(name);
  if (records.length > 0 || bare === undefined) return records;
  return (await imagesOfId(context, bare)).map(({ record }) => record);
}

async function recordsOfDigest(context: ImageContext, name: string): Promise<readonly ImageRecord[]> {
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
