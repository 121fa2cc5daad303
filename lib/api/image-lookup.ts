import { invalidOption } from '../errors.js';
import { findByName } from '../image/find-image.js';
import type { ImageRecord } from '../image/image-names.js';
import { parseReference } from '../image/reference.js';
import { readImage, type StoredImage } from '../image/stored-image.js';
import { parseDigest } from '../shared/digest.js';
import { Host } from './host.js';
import { identityOf } from './image-identity.js';
import type { ImageTools } from './image-source.js';

/** Which image an operation is about: a name, which is looked up then, or exactly this one. */
export interface ImageChoice {
  /** As it was given. */
  readonly name: string;
  readonly record: ImageRecord | undefined;
  /** That it is of; a name is of none. */
  readonly host: Host | undefined;
}

/** An image that is here, and where. */
export interface FoundImage {
  readonly host: Host;
  readonly stored: StoredImage;
}

/** @throws CloisterError `ERR_INVALID_REFERENCE`, `ERR_INVALID_OPTION` */
export function checkChosen(option: string, image: unknown): ImageChoice {
  const identity = identityOf(image);
  if (identity !== undefined) {
    const { record, host } = identity;
    return { name: record.reference, record, host: host instanceof Host ? host : undefined };
  }
  if (typeof image !== 'string') throw invalidOption(option, "a name such as 'debian:12', or an Image", image);
  if (parseDigest(image) === undefined) parseReference(image);
  return { name: image, record: undefined, host: undefined };
}

/** @throws CloisterError `ERR_IMAGE_NOT_FOUND` */
export function findChosen({ context }: ImageTools, { name, record }: ImageChoice): Promise<StoredImage> {
  return record === undefined ? findByName(context, name) : readImage(context, record);
}

/** One or several. */
export function checkSeveral(images: unknown): readonly ImageChoice[] {
  if (!Array.isArray(images)) return [checkChosen('image', images)];
  if (images.length === 0) throw invalidOption('image', 'at least one image', images);
  return images.map((image: unknown, index) => checkChosen(`image[${index}]`, image));
}
