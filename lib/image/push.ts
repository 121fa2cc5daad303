import type { Digest } from '../shared/digest.js';
import type { Descriptor } from './descriptor.js';
import type { ImageContext } from './image-context.js';
import { planParts } from './image-parts.js';
import { inParallel } from './in-parallel.js';
import { MAX_MANIFEST_BYTES } from './manifest.js';
import type { Platform } from './platform.js';
import { ProgressTracker, type OnProgress } from './progress.js';
import { reachableFrom } from './reachable.js';
import { parseReference, withDigest, type Reference } from './reference.js';
import type { RegistryClient } from './registry/client.js';
import { getImage, type StoredImage } from './stored-image.js';

export interface PushOptions {
  /** Sends the image of this platform alone. Default: an index with all platforms that are here, or the one image there is. */
  readonly platform?: Platform | undefined;
  /** Layers that are sent at the same time. Default: 3. */
  readonly concurrency?: number | undefined;
  readonly onProgress?: OnProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_CONCURRENCY = 3;

/** Other repositories of the same registry that, by the names that are here, have blobs: the registry can link them. */
async function mountSources(context: ImageContext, target: Reference): Promise<ReadonlyMap<Digest, string>> {
  const sources = new Map<Digest, string>();
  for (const record of await context.names.list()) {
    const { registry, repository } = parseReference(record.reference);
    if (registry !== target.registry || repository === target.repository) continue;
    for (const digest of (await reachableFrom(context, [record.target])).blobs) sources.set(digest, repository);
  }
  return sources;
}

/**
 * Sends an image to a registry: what the registry has, or has in another repository, is not sent again. The name changes there
 * at the end, when all that it stands for has arrived.
 *
 * @param source - the image, or its name here, in full.
 * @param target - where to; usually the same name.
 * @returns what the name stands for at the registry now.
 * @throws CloisterError what the registry client throws; `ERR_IMAGE_NOT_FOUND`; `ERR_NOT_FOUND` when layers are not here,
 * `ERR_PLATFORM_NOT_FOUND`, `ERR_ABORTED`.
 */
export async function pushImage(
  context: ImageContext,
  client: RegistryClient,
  source: string | StoredImage,
  target: Reference,
  { platform, concurrency = DEFAULT_CONCURRENCY, onProgress, signal }: PushOptions = {},
): Promise<Descriptor> {
  using lease = context.content.lease();
  const image = typeof source === 'string' ? await getImage(context, source) : source;
  const { root, documents, configs, layers } = await planParts(context, lease, image, platform);
  const mounts = await mountSources(context, target);
  const progress = new ProgressTracker(layers, onProgress);
  const send = async (descriptor: Descriptor, stop: AbortSignal): Promise<void> => {
    const { digest } = descriptor;
    const open = (offset: number) => context.content.read(digest, { start: offset, signal: stop });
    progress.report(digest, 'waiting', 0);
    const result = await client.uploadBlob(target, descriptor, open, {
      mountFrom: mounts.get(digest),
      onProgress: (bytes) => progress.report(digest, 'uploading', bytes),
      signal: stop,
    });
    progress.report(digest, result === 'uploaded' ? 'done' : 'exists');
  };
  await inParallel([...configs, ...layers], { concurrency, signal, what: `pushing ${target.toString()}` }, send);
  for (const { digest } of documents) {
    const bytes = await context.content.readAll(digest, MAX_MANIFEST_BYTES);
    await client.putManifest(digest === root.digest ? target : withDigest(target, digest), bytes, { signal });
  }
  return root;
}
