import { CloisterError } from '../errors.js';
import { asAnnotations, asMediaType, parseDescriptor, type Descriptor } from './descriptor.js';
import { asList, own, parseJson, refuse, refuseOtherSpellings, type Fields } from './json-fields.js';
import { isConfigType, isIndexType, isSchema1Type, layerCompression, MEDIA_TYPE } from './media-types.js';

/** More than any registry accepts. @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests */
export const MAX_MANIFEST_BYTES = 4 * 2 ** 20;
const MAX_LAYERS = 1024;
const MAX_MANIFESTS = 8192;

interface Document {
  readonly mediaType: string;
  readonly artifactType: string | undefined;
  /** The manifest that this one says something about. */
  readonly subject: Descriptor | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

/** One image, or an artifact in the shape of one. Frozen. */
export interface ImageManifest extends Document {
  readonly kind: 'manifest';
  readonly config: Descriptor;
  /** Bottom first. */
  readonly layers: readonly Descriptor[];
}

/** One image for several platforms. Frozen. */
export interface ImageIndex extends Document {
  readonly kind: 'index';
  readonly manifests: readonly Descriptor[];
}

/** What a name stands for at a registry: one image, or an index of several; `kind` tells which. */
export type Manifest = ImageManifest | ImageIndex;

const FIELDS = [
  'schemaVersion',
  'mediaType',
  'artifactType',
  'config',
  'layers',
  'manifests',
  'subject',
  'annotations',
];

function refuseSchema1(where: string): never {
  throw new CloisterError(
    'ERR_IMAGE_INVALID',
    `${where}: it is a Docker manifest of schema 1, which is not supported`,
    {
      subject: where,
      hint: 'push the image again with a current tool; schema 1 has no digests of its parts that could be verified',
    },
  );
}

function kindOf(mediaType: string): Manifest['kind'] | undefined {
  if (isIndexType(mediaType)) return 'index';
  return mediaType === MEDIA_TYPE.ociManifest || mediaType === MEDIA_TYPE.dockerManifest ? 'manifest' : undefined;
}

/**
 * A document is what its content says, what its own `mediaType` says and what the registry says; all three must agree, or one
 * digest would be two different images (CVE-2021-41190).
 */
function decideMediaType(where: string, fields: Fields, announced: string | undefined): string {
  const has = (key: string): boolean => own(fields, key) !== undefined;
  if ((announced !== undefined && isSchema1Type(announced)) || has('fsLayers') || own(fields, 'schemaVersion') === 1)
    refuseSchema1(where);
  if (own(fields, 'schemaVersion') !== 2) refuse(`${where}.schemaVersion`, '2', own(fields, 'schemaVersion'));
  if (has('manifests') && (has('layers') || has('config')))
    refuse(where, "either 'manifests' or 'config' and 'layers'", fields);
  const written = own(fields, 'mediaType');
  const declared = written === undefined ? undefined : asMediaType(`${where}.mediaType`, written);
  if (declared !== undefined && announced !== undefined && declared !== announced)
    refuse(`${where}.mediaType`, `'${announced}', as it was announced`, declared);
  const shape = has('manifests') ? 'index' : 'manifest';
  const mediaType = declared ?? announced ?? (shape === 'index' ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.ociManifest);
  if (kindOf(mediaType) === undefined) refuse(`${where}.mediaType`, 'a manifest or an index of images', mediaType);
  if (kindOf(mediaType) !== shape) refuse(where, `the content of ${mediaType}`, fields);
  return mediaType;
}

function descriptors(where: string, value: unknown, max: number): readonly Descriptor[] {
  return Object.freeze(asList(where, value, max).map((each, index) => parseDescriptor(`${where}[${index}]`, each)));
}

/**
 * Reads an OCI index or manifest, a Docker manifest list or a manifest of schema 2.
 *
 * @param announced - the media type that the registry or the descriptor gave; undefined when nobody said.
 * @param subject - for messages: what the bytes are, `docker.io/library/debian:12`.
 * @throws CloisterError `ERR_IMAGE_INVALID`, naming the field.
 */
export function parseManifest(bytes: Uint8Array, announced: string | undefined, subject = 'manifest'): Manifest {
  const fields = parseJson(subject, bytes, MAX_MANIFEST_BYTES);
  refuseOtherSpellings(subject, fields, FIELDS);
  const mediaType = decideMediaType(subject, fields, announced);
  const artifactType = own(fields, 'artifactType');
  const about = own(fields, 'subject');
  const document = {
    mediaType,
    artifactType: artifactType === undefined ? undefined : asMediaType(`${subject}.artifactType`, artifactType),
    subject: about === undefined ? undefined : parseDescriptor(`${subject}.subject`, about),
    annotations: asAnnotations(`${subject}.annotations`, own(fields, 'annotations')),
  };
  if (kindOf(mediaType) === 'index') {
    const manifests = descriptors(`${subject}.manifests`, own(fields, 'manifests'), MAX_MANIFESTS);
    return Object.freeze({ kind: 'index', ...document, manifests });
  }
  return Object.freeze({
    kind: 'manifest',
    ...document,
    config: parseDescriptor(`${subject}.config`, own(fields, 'config')),
    layers: descriptors(`${subject}.layers`, own(fields, 'layers'), MAX_LAYERS),
  });
}

const OF_IMAGES = /^application\/vnd\.(?:oci\.image\.layer|docker\.image\.rootfs)\./;

/**
 * Whether it is something else in the shape of an image: a signature, a bill of materials, a chart. An image that cannot be read,
 * such as an encrypted one, is an image.
 */
export function isArtifact({ config, layers }: ImageManifest): boolean {
  return (
    !isConfigType(config.mediaType) || !(layers.length === 0 || layers.some((each) => OF_IMAGES.test(each.mediaType)))
  );
}

/**
 * Makes sure that a manifest is an image that can be unpacked, and no Helm chart, signature or encrypted image.
 *
 * @throws CloisterError `ERR_IMAGE_INVALID`
 */
export function checkIsImage(manifest: ImageManifest, subject = 'manifest'): void {
  const { config, layers, artifactType } = manifest;
  if (!isConfigType(config.mediaType)) {
    throw new CloisterError(
      'ERR_IMAGE_INVALID',
      `${subject}: expected an image, got an artifact of type ${artifactType ?? config.mediaType}`,
      { subject },
    );
  }
  for (const { mediaType } of layers) {
    if (layerCompression(mediaType) !== undefined) continue;
    throw new CloisterError('ERR_IMAGE_INVALID', `${subject}: expected layers of tar archives, got ${mediaType}`, {
      subject,
      hint: mediaType.includes('encrypted')
        ? 'encrypted images are not supported; decrypt it first'
        : 'plain, gzip and zstd layers are supported',
    });
  }
}
