import type { Digest } from '../shared/digest.js';
import type { ContentStore } from './content-store.js';
import type { Descriptor } from './descriptor.js';
import { MAX_CONFIG_BYTES, parseImageConfig, type ImageConfig } from './image-config.js';
import type { NamedManifest } from './manifest-choice.js';
import { MAX_MANIFEST_BYTES, parseManifest, type ImageManifest, type Manifest } from './manifest.js';

const MAX_CACHED = 512;

/** Manifests and configurations out of the content store. What a digest says never changes, so they are read once. */
export class ImageDocuments {
  readonly #content: ContentStore;
  readonly #cache = new Map<string, Manifest | ImageConfig>();

  constructor(content: ContentStore) {
    this.#content = content;
  }

  /** @throws CloisterError `ERR_NOT_FOUND`, `ERR_DIGEST_MISMATCH`, `ERR_IMAGE_INVALID` */
  async manifest(descriptor: Descriptor, subject?: string): Promise<NamedManifest> {
    const { digest, mediaType } = descriptor;
    const manifest = await this.#cached(`${mediaType} ${digest}`, async () =>
      parseManifest(await this.#content.readAll(digest, MAX_MANIFEST_BYTES), mediaType, subject),
    );
    return { descriptor, manifest };
  }

  /** @throws CloisterError `ERR_NOT_FOUND`, `ERR_DIGEST_MISMATCH`, `ERR_IMAGE_INVALID` */
  async config({ config, layers }: ImageManifest, subject?: string): Promise<ImageConfig> {
    return this.#cached(`config of ${layers.length} layers ${config.digest}`, async () =>
      parseImageConfig(await this.#content.readAll(config.digest, MAX_CONFIG_BYTES), layers.length, subject),
    );
  }

  /** As it was written, with the fields that this library does not know. */
  async configBytes(digest: Digest): Promise<Buffer> {
    return this.#content.readAll(digest, MAX_CONFIG_BYTES);
  }

  async #cached<T extends Manifest | ImageConfig>(key: string, read: () => Promise<T>): Promise<T> {
    const known = this.#cache.get(key);
    if (known !== undefined) return known as T;
    const document = await read();
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size < MAX_CACHED) break;
      this.#cache.delete(oldest);
    }
    this.#cache.set(key, document);
    return document;
  }
}
