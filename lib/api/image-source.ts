import { commitImage, type CommitRequest } from '../image/commit.js';
import { openImages, type ImageContext } from '../image/image-context.js';
import { pullImage } from '../image/pull.js';
import { parseReference } from '../image/reference.js';
import { RegistryClient } from '../image/registry/client.js';
import type { RegistryOptions } from '../image/registry/options.js';
import { getImage, holdImage, type StoredImage } from '../image/stored-image.js';
import type { ImageRequest, OpenImage } from '../runtime/image.js';
import type { LockRange } from '../shared/lock-file.js';
import type { Snapshotter } from '../shared/snapshotter.js';
import { toImageDefaults } from './image-defaults.js';

export interface ImageSourceOptions {
  /** Absolute; holds names and content, shared by all processes of the host. */
  readonly directory: string;
  readonly registries: RegistryOptions;
  readonly lockRange: LockRange;
  readonly snapshotter: () => Promise<Snapshotter>;
}

/** The images of one host: found here, or fetched from their registry. */
export class ImageSource {
  readonly #options: ImageSourceOptions;
  readonly #client: RegistryClient;
  #context: Promise<ImageContext & Disposable> | undefined;

  /** @throws CloisterError `ERR_INVALID_OPTION` */
  constructor(options: ImageSourceOptions) {
    this.#options = options;
    this.#client = new RegistryClient(options.registries);
  }

  /** An image for one sandbox. @throws CloisterError what pulling throws; `ERR_IMAGE_NOT_FOUND` */
  async open(request: ImageRequest, signal: AbortSignal | undefined): Promise<OpenImage> {
    const context = await (this.#context ??= this.#open());
    const image = await this.#find(context, request, signal);
    const hold = await holdImage(context, image, signal);
    return {
      reference: image.record.reference,
      digest: image.record.manifest.digest,
      layers: image.config.diffIds,
      defaults: toImageDefaults(image.config),
      [Symbol.dispose]: () => hold[Symbol.dispose](),
    };
  }

  /** A new image of one of these. @throws CloisterError what `commitImage` throws. */
  async commit(request: CommitRequest): Promise<StoredImage> {
    return commitImage(await (this.#context ??= this.#open()), request);
  }

  async close(): Promise<void> {
    (await this.#context)?.[Symbol.dispose]();
    await this.#client.close();
  }

  #find(context: ImageContext, { reference, pull }: ImageRequest, signal?: AbortSignal): Promise<StoredImage> {
    if (pull === 'never') return getImage(context, reference);
    const options = { policy: pull, ...(signal === undefined ? {} : { signal }) };
    return pullImage(context, this.#client, parseReference(reference), options);
  }

  async #open(): Promise<ImageContext & Disposable> {
    const { directory, lockRange, snapshotter } = this.#options;
    return openImages(directory, lockRange, await snapshotter());
  }
}
