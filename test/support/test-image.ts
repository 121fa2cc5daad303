import { gzipSync } from 'node:zlib';
import { makeDescriptor, type Descriptor } from '../../lib/image/descriptor.js';
import { MEDIA_TYPE } from '../../lib/image/media-types.js';
import type { RegistryClient } from '../../lib/image/registry/client.js';
import { withDigest, type Reference } from '../../lib/image/reference.js';
import { indexBytes, manifestBytes } from '../../lib/image/write-documents.js';
import { normalizePlatform } from '../../lib/image/platform.js';
import type { Digest } from '../../lib/shared/digest.js';
import { sha256 } from './content.js';
import { sourceOf } from './sample-image.js';
import { archive, directory, file } from './tar.js';

/** An image of layers that can be unpacked. */
export interface TestImage {
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly diffIds: readonly Digest[];
  /** Everything it consists of, the manifest last. */
  readonly blobs: ReadonlyMap<Digest, Uint8Array>;
}

/** A layer of these files, as an uncompressed archive. */
export function layerOf(files: Readonly<Record<string, string | Uint8Array>>): Buffer {
  const paths = Object.entries(files);
  return archive(...paths.map(([path, data]) => (path.endsWith('/') ? directory(path) : file(path, data))));
}

export interface TestImageOptions {
  readonly architecture?: string;
  readonly config?: object;
  /** How layers are packed, and what they are called then. Default: gzip. */
  readonly pack?: (archive: Buffer) => { readonly bytes: Uint8Array; readonly mediaType: string };
  readonly diffIds?: readonly Digest[];
  /** Documents of Docker's types, schema 2. Default: those of OCI. */
  readonly docker?: boolean;
}

const OCI_TYPES = {
  layer: MEDIA_TYPE.ociLayerGzip,
  config: MEDIA_TYPE.ociConfig,
  manifest: MEDIA_TYPE.ociManifest,
} as const;

const DOCKER_TYPES = {
  layer: MEDIA_TYPE.dockerLayerGzip,
  config: MEDIA_TYPE.dockerConfig,
  manifest: MEDIA_TYPE.dockerManifest,
} as const;

export function testImage(archives: readonly Buffer[], options: TestImageOptions = {}): TestImage {
  const types = options.docker === true ? DOCKER_TYPES : OCI_TYPES;
  const pack = options.pack ?? ((bytes) => ({ bytes: gzipSync(bytes, { level: 1 }), mediaType: types.layer }));
  const blobs = new Map<Digest, Uint8Array>();
  const keep = (bytes: Uint8Array, mediaType: string): Descriptor => {
    const digest = sha256(bytes);
    blobs.set(digest, bytes);
    return makeDescriptor({ mediaType, digest, size: bytes.length });
  };
  const layers = archives.map((each) => {
    const { bytes, mediaType } = pack(each);
    return keep(bytes, mediaType);
  });
  const diffIds = options.diffIds ?? archives.map(sha256);
  const document = {
    os: 'linux',
    architecture: options.architecture ?? (process.arch === 'arm64' ? 'arm64' : 'amd64'),
    config: options.config ?? { Env: ['PATH=/bin'], Cmd: ['/bin/sh'] },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: archives.map((_, index) => ({ created_by: `step ${index}` })),
  };
  const config = keep(Buffer.from(JSON.stringify(document)), types.config);
  const bytes = manifestBytes(config, layers).toString().replace(MEDIA_TYPE.ociManifest, types.manifest);
  const manifest = keep(Buffer.from(bytes), types.manifest);
  return { manifest, config, layers, diffIds, blobs };
}

/** An index of images by platform. */
export function testIndex(images: Readonly<Record<string, TestImage>>): { descriptor: Descriptor; bytes: Buffer } {
  const manifests = Object.entries(images).map(([platform, { manifest }]) => {
    const [os = '', architecture = '', variant] = platform.split('/');
    return makeDescriptor({ ...manifest, platform: normalizePlatform({ os, architecture, variant }) });
  });
  const bytes = indexBytes(manifests);
  const descriptor = makeDescriptor({ mediaType: MEDIA_TYPE.ociIndex, digest: sha256(bytes), size: bytes.length });
  return { descriptor, bytes };
}

/** Puts an image into a registry, under the reference's tag or its digest alone. */
export async function publish(
  client: RegistryClient,
  reference: Reference,
  image: TestImage,
  name = true,
): Promise<void> {
  for (const descriptor of [...image.layers, image.config]) {
    await client.uploadBlob(reference, descriptor, sourceOf(image.blobs.get(descriptor.digest)!));
  }
  const target = name ? reference : withDigest(reference, image.manifest.digest);
  await client.putManifest(target, image.blobs.get(image.manifest.digest)!);
}
