import { CloisterError } from '../errors.js';
import type { Digest } from '../shared/digest.js';
import type { Descriptor } from './descriptor.js';
import type { ImageContext } from './image-context.js';
import type { ImageManifest } from './manifest.js';
import { isConfigType, isManifestType } from './media-types.js';

/** An index of indexes is rare, deeper ones are attacks. */
const MAX_DEPTH = 4;

/** An image, or an artifact in the shape of one, that is there: all of it, or at least its manifest. */
export interface PresentManifest {
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
}

/** What can be got to from a descriptor with what is there. */
export interface Reachable {
  readonly manifests: readonly PresentManifest[];
  readonly blobs: ReadonlySet<Digest>;
  /** By the digest of their uncompressed archives, the blob that one is made of. */
  readonly layers: ReadonlyMap<Digest, Digest | undefined>;
}

/** What was never fetched, or is damaged, leads nowhere. Any other failure must not pass for garbage. */
async function unlessUnreadable<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    const codes = ['ERR_NOT_FOUND', 'ERR_DIGEST_MISMATCH', 'ERR_IMAGE_INVALID'];
    if (CloisterError.is(error) && codes.includes(error.code)) return undefined;
    throw error;
  }
}

class Walk {
  readonly manifests: PresentManifest[] = [];
  readonly blobs = new Set<Digest>();
  readonly layers = new Map<Digest, Digest | undefined>();
  readonly #context: ImageContext;
  /** By type, too: what one image calls a layer may be the manifest of another. */
  readonly #visited = new Set<string>();

  constructor(context: ImageContext) {
    this.#context = context;
  }

  async visit(descriptor: Descriptor, depth: number): Promise<void> {
    const key = `${descriptor.mediaType} ${descriptor.digest}`;
    if (this.#visited.has(key) || depth > MAX_DEPTH) return;
    this.#visited.add(key);
    this.blobs.add(descriptor.digest);
    if (!isManifestType(descriptor.mediaType) || !(await this.#context.content.has(descriptor.digest))) return;
    const found = await unlessUnreadable(this.#context.documents.manifest(descriptor));
    if (found?.manifest.kind === 'index') {
      for (const each of found.manifest.manifests) await this.visit(each, depth + 1);
    } else if (found?.manifest.kind === 'manifest') await this.#visitImage(descriptor, found.manifest);
  }

  async #visitImage(descriptor: Descriptor, manifest: ImageManifest): Promise<void> {
    this.manifests.push({ descriptor, manifest });
    for (const { digest } of [manifest.config, ...manifest.layers]) this.blobs.add(digest);
    if (!isConfigType(manifest.config.mediaType)) return;
    const config = await unlessUnreadable(this.#context.documents.config(manifest));
    for (const [index, diffId] of config?.diffIds.entries() ?? [])
      this.layers.set(diffId, manifest.layers[index]?.digest);
  }
}

/** Everything that these descriptors lead to. */
export async function reachableFrom(context: ImageContext, roots: readonly Descriptor[]): Promise<Reachable> {
  const walk = new Walk(context);
  for (const root of roots) await walk.visit(root, 0);
  return walk;
}
