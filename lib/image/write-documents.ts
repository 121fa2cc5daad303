import type { Descriptor } from './descriptor.js';
import { MEDIA_TYPE } from './media-types.js';
import type { Platform } from './platform.js';

/** Documents as they are stored and sent; every digest is of exactly these bytes. */

function platformJson({ os, architecture, variant, osVersion, osFeatures }: Platform): object {
  return {
    architecture,
    os,
    ...(osVersion === undefined ? {} : { 'os.version': osVersion }),
    ...(osFeatures.length === 0 ? {} : { 'os.features': osFeatures }),
    ...(variant === undefined ? {} : { variant }),
  };
}

export function descriptorJson({ mediaType, digest, size, platform, artifactType, annotations }: Descriptor): object {
  return {
    mediaType,
    digest,
    size,
    ...(platform === undefined ? {} : { platform: platformJson(platform) }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}

/** @param mediaType - OCI's index or Docker's manifest list. */
export function indexBytes(
  manifests: readonly Descriptor[],
  mediaType: string = MEDIA_TYPE.ociIndex,
  annotations: Readonly<Record<string, string>> = {},
): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      manifests: manifests.map(descriptorJson),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    }),
  );
}

/** @param mediaType - OCI's manifest or Docker's of schema 2. */
export function manifestBytes(
  config: Descriptor,
  layers: readonly Descriptor[],
  mediaType: string = MEDIA_TYPE.ociManifest,
): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: descriptorJson(config),
      layers: layers.map(descriptorJson),
    }),
  );
}
