import { CloisterError } from '../errors.js';
import type { Digest } from '../shared/digest.js';
import type { ImageContext } from './image-context.js';
import type { ImageConfig } from './image-config.js';
import type { ImageRecord } from './image-names.js';
import { checkIsImage, type ImageManifest } from './manifest.js';

/** An image as this machine runs it: what its name stands for, read. */
export interface StoredImage {
  readonly record: ImageRecord;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
}

function imageNotFound(reference: string, cause?: unknown): CloisterError {
  return new CloisterError('ERR_IMAGE_NOT_FOUND', `there is no image ${reference} on this machine`, {
    subject: reference,
    hint: 'pull it first, or load it from an archive',
    cause,
  });
}

/** Reads the manifest and configuration of a record. @throws CloisterError `ERR_IMAGE_NOT_FOUND` when they were collected. */
export async function readImage({ content, documents }: ImageContext, record: ImageRecord): Promise<StoredImage> {
  const { reference } = record;
  // What was read once is remembered, also when it is gone.
  if (!(await content.has(record.manifest.digest))) throw imageNotFound(reference);
  try {
    const { manifest } = await documents.manifest(record.manifest, reference);
    if (manifest.kind !== 'manifest') throw imageNotFound(reference);
    checkIsImage(manifest, reference);
    return { record, manifest, config: await documents.config(manifest, reference) };
  } catch (error) {
    if (CloisterError.is(error) && error.code === 'ERR_NOT_FOUND') throw imageNotFound(reference, error);
    throw error;
  }
}

/** Undefined when there is no image of this name, or what it stood for is lost. @param reference - in full. */
export async function findImage(context: ImageContext, reference: string): Promise<StoredImage | undefined> {
  const record = await context.names.get(reference);
  if (record === undefined) return undefined;
  try {
    return await readImage(context, record);
  } catch (error) {
    if (CloisterError.is(error) && error.code === 'ERR_IMAGE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** Whether sandboxes can be made of it: each layer is unpacked, or stored and can be. Another storage driver has its own. */
export async function canUnpack({ content, layers }: ImageContext, image: StoredImage): Promise<boolean> {
  const { manifest, config } = image;
  const areHere = config.diffIds.map(async (diffId, index) => {
    if (await layers.has(diffId)) return true;
    const blob = manifest.layers[index]?.digest;
    return blob !== undefined && content.has(blob);
  });
  return !(await Promise.all(areHere)).includes(false);
}

/** @throws CloisterError `ERR_IMAGE_NOT_FOUND` */
export async function getImage(context: ImageContext, reference: string): Promise<StoredImage> {
  const image = await findImage(context, reference);
  if (image === undefined) throw imageNotFound(reference);
  return image;
}

/** An image that stays whole, in all processes, until it is disposed or its process dies. */
export interface ImageHold extends Disposable {
  /**
   * The descriptor that the hold lives in. Whoever has a copy of it, another process included, keeps the image, also after
   * this one is gone.
   */
  readonly fd: number;
}

/**
 * Keeps an image and its layers from being removed: a sandbox holds the image that it runs.
 *
 * @throws CloisterError `ERR_IMAGE_NOT_FOUND` when a part of it was removed in the meantime.
 */
export async function holdImage(context: ImageContext, image: StoredImage, signal?: AbortSignal): Promise<ImageHold> {
  const { content, layers } = context;
  const { record, manifest, config } = image;
  const group = content.locks.group();
  const lease = content.lease(group);
  try {
    await lease.use('image', record.manifest.digest, signal);
    const blobs: Digest[] = [
      record.manifest.digest,
      manifest.config.digest,
      ...manifest.layers.map((each) => each.digest),
    ];
    for (const digest of blobs) await lease.use('blob', digest, signal);
    for (const diffId of config.diffIds) await lease.use('layer', diffId, signal);
    const isThere = await Promise.all([
      content.has(record.manifest.digest),
      ...config.diffIds.map((diffId) => layers.has(diffId)),
    ]);
    if (isThere.includes(false)) throw imageNotFound(record.reference);
    return { fd: group.fd, [Symbol.dispose]: () => lease[Symbol.dispose]() };
  } catch (error) {
    lease[Symbol.dispose]();
    throw error;
  }
}
