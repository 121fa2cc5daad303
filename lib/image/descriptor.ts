import type { Digest } from '../shared/digest.js';
import {
  asDigest,
  asInteger,
  asObject,
  asOptionalText,
  asText,
  asTextMap,
  asTexts,
  own,
  refuse,
  refuseOtherSpellings,
  type Fields,
} from './json-fields.js';
import { normalizePlatform, type Platform } from './platform.js';

/**
 * Says which bytes, how many and what they are. Frozen. Fields that could lead elsewhere (`urls`, `data`) are not kept.
 * @see https://github.com/opencontainers/image-spec/blob/main/descriptor.md
 */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly platform: Platform | undefined;
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

const FIELDS = ['mediaType', 'digest', 'size', 'platform', 'artifactType', 'annotations'];
const MAX_ANNOTATIONS = 1024;

/** RFC 6838, 4.2: type and subtype, each of at most 127 characters. */
const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/i;

export function asMediaType(where: string, value: unknown): string {
  const text = asText(where, value, 255);
  return MEDIA_TYPE.test(text) ? text : refuse(where, 'a media type', text);
}

export function asAnnotations(where: string, value: unknown): Readonly<Record<string, string>> {
  return asTextMap(where, value, MAX_ANNOTATIONS);
}

/** Reads `os`, `architecture` and the rest of a platform, of an index or of an image's configuration. */
export function platformOf(where: string, fields: Fields): Platform {
  return normalizePlatform({
    os: asText(`${where}.os`, own(fields, 'os'), 64),
    architecture: asText(`${where}.architecture`, own(fields, 'architecture'), 64),
    variant: asOptionalText(`${where}.variant`, own(fields, 'variant'), 64),
    osVersion: asOptionalText(`${where}.os.version`, own(fields, 'os.version'), 64),
    osFeatures: asTexts(`${where}.os.features`, own(fields, 'os.features'), 64),
  });
}

/** @throws CloisterError `ERR_IMAGE_INVALID` */
export function parseDescriptor(where: string, value: unknown): Descriptor {
  const fields = asObject(where, value);
  refuseOtherSpellings(where, fields, FIELDS);
  const platform = own(fields, 'platform');
  const artifactType = own(fields, 'artifactType');
  return makeDescriptor({
    mediaType: asMediaType(`${where}.mediaType`, own(fields, 'mediaType')),
    digest: asDigest(`${where}.digest`, own(fields, 'digest')),
    size: asInteger(`${where}.size`, own(fields, 'size'), [0, Number.MAX_SAFE_INTEGER]),
    platform:
      platform === undefined ? undefined : platformOf(`${where}.platform`, asObject(`${where}.platform`, platform)),
    artifactType: artifactType === undefined ? undefined : asMediaType(`${where}.artifactType`, artifactType),
    annotations: asAnnotations(`${where}.annotations`, own(fields, 'annotations')),
  });
}

/** A descriptor of one's own; what is left out is empty. */
export function makeDescriptor(
  fields: Pick<Descriptor, 'mediaType' | 'digest' | 'size'> & Partial<Descriptor>,
): Descriptor {
  return Object.freeze({
    platform: undefined,
    artifactType: undefined,
    annotations: Object.freeze({}),
    ...fields,
  });
}
