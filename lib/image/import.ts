import { CloisterError } from '../errors.js';
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { packArchive } from '../native/pack.js';
import { throwIfAborted } from '../shared/abort.js';
import type { Digest } from '../shared/digest.js';
import { Acquisition } from './acquire.js';
import { openRegular } from './archive/open-archive.js';
import { readChunks } from './blob-file.js';
import { readSource, type ByteSource } from './byte-source.js';
import { newConfig, type ConfigChanges } from './config-changes.js';
import { decompress, detectCompression } from './decompress.js';
import { makeDescriptor, type Descriptor } from './descriptor.js';
import { parseImageConfig } from './image-config.js';
import type { ImageContext } from './image-context.js';
import type { Lease } from './lease.js';
import { MEDIA_TYPE } from './media-types.js';
import { NewContent } from './new-content.js';
import type { Platform } from './platform.js';
import type { Reference } from './reference.js';
import { readImage, type StoredImage } from './stored-image.js';
import { storedOnly } from './unpack-stored.js';
import { manifestBytes } from './write-documents.js';

/** A tar archive, plain or with gzip or zstd, or a directory, by path; or an archive as it comes. */
export type ImportSource = string | ByteSource;

export interface ImportOptions {
  readonly platform: Platform;
  readonly changes: ConfigChanges;
  readonly author?: string | undefined;
  readonly comment?: string | undefined;
  /** RFC 3339. */
  readonly created: string;
  readonly signal?: AbortSignal | undefined;
}

/** The blob of a layer, stored, and what its uncompressed archive is. */
interface StoredLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
}

async function* chunksOf(source: ImportSource, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  if (typeof source !== 'string') {
    yield* readSource(source, 'source', 'importing an image', signal);
    return;
  }
  const file = await openRegular('source', source, 'a tar archive or a directory');
  if (file !== undefined) {
    try {
      yield* readChunks(file);
    } finally {
      await file.close();
    }
    return;
  }
  const directory = await open(source, 'r');
  try {
    yield* packArchive(directory.fd, { signal });
  } finally {
    await directory.close();
  }
}

const LAYER_TYPES: Readonly<Record<string, string>> = {
  gzip: MEDIA_TYPE.ociLayerGzip,
  zstd: MEDIA_TYPE.ociLayerZstd,
};

/** Keeps the archive as it is; what it is uncompressed is found out on the way. */
async function storeLayer(
  lease: Lease,
  source: ImportSource,
  fresh: NewContent,
  signal: AbortSignal | undefined,
): Promise<StoredLayer> {
  await using writer = await lease.newWriter();
  let start = Buffer.alloc(0);
  const stored = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunksOf(source, signal)) {
      throwIfAborted(signal, 'importing an image');
      if (start.length < 8) start = Buffer.concat([start, chunk.subarray(0, 8)]);
      await writer.write(chunk);
      yield chunk;
    }
  };
  const hash = createHash('sha256');
  for await (const chunk of decompress(stored())) hash.update(chunk);
  // tar(1) takes it for an archive without entries; it is what a program leaves that failed.
  if (start.length === 0)
    throw new CloisterError('ERR_LAYER_INVALID', 'the archive to import is empty: it has no bytes');
  const { digest, size } = await writer.commit();
  fresh.addBlob(digest);
  const mediaType = LAYER_TYPES[detectCompression(start)] ?? MEDIA_TYPE.ociLayer;
  return { descriptor: makeDescriptor({ mediaType, digest, size }), diffId: `sha256:${hash.digest('hex')}` };
}

async function storeDocument(
  { content }: ImageContext,
  lease: Lease,
  fresh: NewContent,
  bytes: Buffer,
  mediaType: string,
): Promise<Descriptor> {
  const digest: Digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  await fresh.expectBlobs([{ digest }]);
  await content.put(lease, bytes, digest);
  return makeDescriptor({ mediaType, digest, size: bytes.length });
}

/**
 * Makes an image of one layer out of a root file system. The name is given at the end; when it fails, nothing is left of it.
 *
 * @throws CloisterError `ERR_LAYER_INVALID` for what is no tar archive or reaches outside of the root, `ERR_INVALID_OPTION` for a
 * path that is neither an archive nor a directory, `ERR_KERNEL` for a full disk, `ERR_ABORTED`, and what the source throws.
 */
export async function importImage(
  context: ImageContext,
  source: ImportSource,
  reference: Reference,
  options: ImportOptions,
): Promise<StoredImage> {
  const { signal } = options;
  const name = reference.toString();
  const fresh = new NewContent(context);
  try {
    using lease = context.content.lease();
    const layer = await storeLayer(lease, source, fresh, signal);
    const { platform, changes, created, author, comment } = options;
    const step = { diffId: layer.diffId, created, createdBy: 'cloister import', author, comment };
    const configBytes = newConfig(platform, changes, step);
    parseImageConfig(configBytes, 1, name);
    const config = await storeDocument(context, lease, fresh, configBytes, MEDIA_TYPE.ociConfig);
    const document = manifestBytes(config, [layer.descriptor]);
    const manifest = await storeDocument(context, lease, fresh, document, MEDIA_TYPE.ociManifest);
    const record = { reference: name, target: manifest, manifest, updated: Date.now() };
    const image = await readImage(context, record);
    await fresh.expectLayers(image.config.diffIds);
    const acquisition = new Acquisition({
      context,
      lease,
      source: storedOnly(name),
      options: { signal },
      subject: name,
    });
    await acquisition.layers(image.manifest, image.config);
    throwIfAborted(signal, 'importing an image');
    await context.names.put(record);
    return image;
  } catch (error) {
    await fresh.takeBack();
    throw error;
  }
}
