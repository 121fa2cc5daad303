import { commitImage, type CommitRequest } from '../image/commit.js';
import { findByName } from '../image/find-image.js';
import type { Flatten } from '../image/export.js';
import { openImages, type ImageContext } from '../image/image-context.js';
import { pullImage, type PullOptions } from '../image/pull.js';
import { parseReference, type Reference } from '../image/reference.js';
import { RegistryClient } from '../image/registry/client.js';
import type { RegistryOptions } from '../image/registry/options.js';
import { holdImage, readImage, type ImageHold, type StoredImage } from '../image/stored-image.js';
import { unpackStored } from '../image/unpack-stored.js';
import { CloisterError } from '../errors.js';
import type { ImageRequest, OpenImage } from '../runtime/image.js';
import { throwIfAborted } from '../shared/abort.js';
import { parseDigest } from '../shared/digest.js';
import type { Leftovers } from '../shared/leftovers.js';
import type { LockRange } from '../shared/lock-file.js';
import type { Snapshotter } from '../shared/snapshotter.js';
import { toImageDefaults } from './image-defaults.js';

export interface ImageSourceOptions {
  /** Absolute; holds names and content, shared by all processes of the host. */
  readonly directory: string;
  readonly registries: RegistryOptions;
  readonly lockRange: LockRange;
  readonly storage: () => Promise<{ readonly snapshotter: Snapshotter; readonly leftovers: Leftovers }>;
  readonly flatten: Flatten;
  /** Told when a registry was asked, successfully. */
  readonly onPulled: (image: StoredImage) => void;
}

/** What an operation works with. */
export interface ImageTools {
  readonly context: ImageContext;
  readonly client: RegistryClient;
  readonly flatten: Flatten;
  /** The caller's, and that of the host. */
  readonly signal: AbortSignal;
}

/** The images of one host: found here, or fetched from their registry. Opened at the first use. */
export class ImageSource {
  readonly #options: ImageSourceOptions;
  readonly #client: RegistryClient;
  readonly #closing = new AbortController();
  readonly #operations = new Set<Promise<unknown>>();
  #context: Promise<ImageContext & Disposable> | undefined;

  /** @throws CloisterError `ERR_INVALID_OPTION` */
  constructor(options: ImageSourceOptions) {
    this.#options = options;
    this.#client = new RegistryClient(options.registries);
  }

  /**
   * Runs one operation, which ends when the host is closed.
   *
   * @param what - for messages: `'pulling debian:12'`.
   * @throws CloisterError `ERR_SANDBOX_STATE` on a closed host, `ERR_ABORTED`, and what the operation throws.
   */
  async use<T>(what: string, signal: AbortSignal | undefined, work: (tools: ImageTools) => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) throw new CloisterError('ERR_SANDBOX_STATE', `${what}: the host was closed`);
    throwIfAborted(signal, what);
    const either = signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]);
    const { flatten } = this.#options;
    const operation = this.#open().then((context) => work({ context, client: this.#client, flatten, signal: either }));
    this.#operations.add(operation);
    try {
      return await operation;
    } finally {
      this.#operations.delete(operation);
    }
  }

  /** A new image of one of these. @throws CloisterError what `commitImage` throws. */
  commit(request: CommitRequest): Promise<StoredImage> {
    return this.use(`committing ${request.reference}`, request.signal, ({ context, signal }) =>
      commitImage(context, { ...request, signal }),
    );
  }

  /**
   * An image for one sandbox. One that another process removes before it is held is pulled again.
   *
   * @throws CloisterError what pulling throws; `ERR_IMAGE_NOT_FOUND`
   */
  async open(request: ImageRequest, signal: AbortSignal | undefined): Promise<OpenImage> {
    return this.use(`opening ${request.reference}`, signal, async (tools) => {
      const { image, hold } = await this.#hold(tools, request);
      return {
        reference: image.record.reference,
        digest: image.record.manifest.digest,
        layers: image.config.diffIds,
        defaults: toImageDefaults(image.config),
        [Symbol.dispose]: () => hold[Symbol.dispose](),
      };
    });
  }

  /** Asks the registry, unless the policy is `'missing'` and the image is here. */
  async pull(
    { context, client, signal }: ImageTools,
    reference: Reference,
    options: PullOptions,
  ): Promise<StoredImage> {
    const startedAt = Date.now();
    const image = await pullImage(context, client, reference, { ...options, signal });
    if (image.record.updated >= startedAt) this.#options.onPulled(image);
    return image;
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#closing.abort(new CloisterError('ERR_SANDBOX_STATE', 'the host was closed'));
    await Promise.allSettled(this.#operations);
    const context = await this.#context?.catch(() => undefined);
    await context?.layers.close?.();
    context?.[Symbol.dispose]();
    await this.#client.close();
  }

  async #hold(tools: ImageTools, request: ImageRequest) {
    for (let tries = 1; ; tries++) {
      const image = await this.#find(tools, request);
      demandLayers(image);
      try {
        return { image, hold: await holdUnpacked(tools.context, image, tools.signal) };
      } catch (error) {
        if (!isGone(error) || !canBePulled(request) || tries === MOST_TRIES) throw error;
      }
    }
  }

  #find(tools: ImageTools, request: ImageRequest): Promise<StoredImage> {
    const { context } = tools;
    const { reference, pull, manifest } = request;
    if (manifest !== undefined) return readImage(context, { reference, target: manifest, manifest, updated: 0 });
    if (pull === 'never' || !canBePulled(request)) return findByName(context, reference);
    return this.pull(tools, parseReference(reference), { policy: pull });
  }

  /** What failed once is tried again. */
  #open(): Promise<ImageContext> {
    const { directory, lockRange, storage } = this.#options;
    this.#context ??= storage().then(({ snapshotter, leftovers }) =>
      openImages(directory, lockRange, snapshotter, leftovers),
    );
    this.#context.catch(() => (this.#context = undefined));
    return this.#context;
  }
}

/** Whoever removes an image so often while it is asked for does not want it here. */
const MOST_TRIES = 5;

/** A digest alone says nothing of where it could be had. */
function canBePulled({ reference, pull, manifest }: ImageRequest): boolean {
  return pull !== 'never' && manifest === undefined && parseDigest(reference) === undefined;
}

/** A part of it was removed in the meantime. */
function isGone(error: unknown): boolean {
  return CloisterError.is(error) && ['ERR_IMAGE_NOT_FOUND', 'ERR_NOT_FOUND'].includes(error.code);
}

/** One without any, such as a bill of materials that is packed as an image, is kept and passed on, but there is nothing to run. */
function demandLayers({ record: { reference }, config }: StoredImage): void {
  if (config.diffIds.length > 0) return;
  throw new CloisterError('ERR_IMAGE_INVALID', `the image ${reference} has no layers: there are no files to start`, {
    subject: reference,
    hint: 'images of data alone can be pulled, saved and pushed; a sandbox needs one with a root file system',
  });
}

/** Every start asks: what is unpacked, as nearly everything is, is looked at once. */
async function holdUnpacked(context: ImageContext, image: StoredImage, signal: AbortSignal): Promise<ImageHold> {
  try {
    return await holdImage(context, image, signal);
  } catch (error) {
    if (!CloisterError.is(error) || error.code !== 'ERR_IMAGE_NOT_FOUND') throw error;
    using _unpacked = await unpackStored(context, image, signal);
    return await holdImage(context, image, signal);
  }
}
