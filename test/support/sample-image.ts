import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { makeDescriptor, type Descriptor } from '../../lib/image/descriptor.js';
import { MEDIA_TYPE } from '../../lib/image/media-types.js';
import type { RegistryClient } from '../../lib/image/registry/client.js';
import { withDigest, type Reference } from '../../lib/image/reference.js';
import { sha256 } from './content.js';

/** Bytes with the descriptor that names them. */
export interface Blob {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

export function blob(bytes: Uint8Array, mediaType = 'application/octet-stream'): Blob {
  return { bytes, descriptor: makeDescriptor({ mediaType, digest: sha256(bytes), size: bytes.length }) };
}

const json = (value: unknown, mediaType: string): Blob => blob(Buffer.from(JSON.stringify(value)), mediaType);
const named = ({ descriptor: { mediaType, digest, size } }: Blob) => ({ mediaType, digest, size });

/** An image in the shape that registries and other tools want, of bytes that nobody has to unpack. */
export interface SampleImage {
  readonly manifest: Blob;
  readonly config: Blob;
  readonly layers: readonly Blob[];
}

export function sampleImage(
  layerBytes: readonly number[],
  { kind = 'oci', architecture = 'amd64' }: { kind?: 'oci' | 'docker'; architecture?: string } = {},
): SampleImage {
  const isOci = kind === 'oci';
  const contents = layerBytes.map((length) => randomBytes(length));
  const layers = contents.map((bytes) =>
    blob(gzipSync(bytes, { level: 0 }), isOci ? MEDIA_TYPE.ociLayerGzip : MEDIA_TYPE.dockerLayerGzip),
  );
  const config = json(
    { os: 'linux', architecture, config: { Env: ['A=1'] }, rootfs: { type: 'layers', diff_ids: contents.map(sha256) } },
    isOci ? MEDIA_TYPE.ociConfig : MEDIA_TYPE.dockerConfig,
  );
  const mediaType = isOci ? MEDIA_TYPE.ociManifest : MEDIA_TYPE.dockerManifest;
  const manifest = json({ schemaVersion: 2, mediaType, config: named(config), layers: layers.map(named) }, mediaType);
  return { manifest, config, layers };
}

export function sampleIndex(images: Readonly<Record<string, SampleImage>>): Blob {
  const manifests = Object.entries(images).map(([platform, { manifest }]) => {
    const [os, architecture, variant] = platform.split('/');
    return { ...named(manifest), platform: { os, architecture, variant } };
  });
  return json({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests }, MEDIA_TYPE.ociIndex);
}

/** A source that gives itself in pieces. */
export function sourceOf(bytes: Uint8Array, piece = 65_536): (offset: number) => AsyncIterable<Uint8Array> {
  return async function* (offset) {
    for (let at = offset; at < bytes.length; at += piece) yield bytes.subarray(at, Math.min(bytes.length, at + piece));
  };
}

/** Pushes by digest, or under the reference's tag. */
export async function push(client: RegistryClient, reference: Reference, image: SampleImage): Promise<void> {
  for (const { descriptor, bytes } of [...image.layers, image.config]) {
    await client.uploadBlob(reference, descriptor, sourceOf(bytes));
  }
  const target = reference.tag === undefined ? withDigest(reference, image.manifest.descriptor.digest) : reference;
  await client.putManifest(target, image.manifest.bytes);
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}
