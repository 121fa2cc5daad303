import { createHash } from 'node:crypto';
import type { Digest } from '../../shared/digest.js';
import { makeDescriptor, type Descriptor } from '../descriptor.js';
import type { ImageContext } from '../image-context.js';
import type { ImageParts } from '../image-parts.js';
import { MAX_MANIFEST_BYTES } from '../manifest.js';
import { layerCompression, MEDIA_TYPE } from '../media-types.js';
import { indexBytes, manifestBytes } from '../write-documents.js';

/** A manifest or an index as it goes into a layout. */
export interface LayoutDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

const NAMES: Readonly<Record<string, string>> = {
  [MEDIA_TYPE.dockerManifestList]: MEDIA_TYPE.ociIndex,
  [MEDIA_TYPE.dockerManifest]: MEDIA_TYPE.ociManifest,
  [MEDIA_TYPE.dockerConfig]: MEDIA_TYPE.ociConfig,
};

const LAYERS = { none: MEDIA_TYPE.ociLayer, gzip: MEDIA_TYPE.ociLayerGzip, zstd: MEDIA_TYPE.ociLayerZstd } as const;

/** What OCI calls the same. */
function ociType(mediaType: string): string {
  if (!mediaType.startsWith('application/vnd.docker.')) return mediaType;
  const compression = layerCompression(mediaType);
  return compression === undefined ? (NAMES[mediaType] ?? mediaType) : LAYERS[compression];
}

const isOci = ({ mediaType }: Descriptor): boolean => ociType(mediaType) === mediaType;

function documentOf(descriptor: Descriptor, mediaType: string, bytes: Uint8Array): LayoutDocument {
  const digest: Digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  return { descriptor: makeDescriptor({ ...descriptor, mediaType, digest, size: bytes.length }), bytes };
}

/**
 * The documents of an image as an OCI layout has them. Those that are OCI's go as they are, and keep their digests; Docker's,
 * which other tools do not take from a layout, are written anew. Blobs stay the same.
 *
 * @returns them in their order, the root last.
 */
export async function toOciDocuments(
  { content, documents }: ImageContext,
  parts: ImageParts,
): Promise<readonly LayoutDocument[]> {
  const written = new Map<Digest, LayoutDocument>();
  for (const descriptor of parts.documents) {
    const { manifest } = await documents.manifest(descriptor);
    const renamed = (each: Descriptor): Descriptor => {
      const other = written.get(each.digest)?.descriptor;
      const mediaType = ociType(each.mediaType);
      return other === undefined
        ? makeDescriptor({ ...each, mediaType })
        : makeDescriptor({ ...each, mediaType, digest: other.digest, size: other.size });
    };
    const named = manifest.kind === 'index' ? manifest.manifests : [manifest.config, ...manifest.layers];
    const isSame = isOci(descriptor) && named.every((each) => isOci(each) && renamed(each).digest === each.digest);
    if (isSame) {
      written.set(descriptor.digest, {
        descriptor,
        bytes: await content.readAll(descriptor.digest, MAX_MANIFEST_BYTES),
      });
      continue;
    }
    const bytes =
      manifest.kind === 'index'
        ? indexBytes(manifest.manifests.map(renamed), MEDIA_TYPE.ociIndex, manifest.annotations)
        : manifestBytes(renamed(manifest.config), manifest.layers.map(renamed));
    written.set(descriptor.digest, documentOf(descriptor, ociType(descriptor.mediaType), bytes));
  }
  return [...written.values()];
}
