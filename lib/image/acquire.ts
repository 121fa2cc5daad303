import { CloisterError } from '../errors.js';
import type { Digest } from '../shared/digest.js';
import type { BlobSource } from './blob-source.js';
import type { Descriptor } from './descriptor.js';
import { fetchBlob } from './fetch-blob.js';
import { MAX_CONFIG_BYTES, type ImageConfig } from './image-config.js';
import type { ImageContext } from './image-context.js';
import { inParallel } from './in-parallel.js';
import { LayerWork, type Layer, type LayerOptions } from './layer.js';
import type { Lease } from './lease.js';
import { removeIfDamaged } from './damage.js';
import { checkIsImage, type ImageManifest } from './manifest.js';
import type { NamedManifest } from './manifest-choice.js';
import { ProgressTracker, type OnProgress } from './progress.js';

export interface AcquireOptions extends LayerOptions {
  /** Layers that are brought at the same time. Default: 3. */
  readonly concurrency?: number | undefined;
  readonly onProgress?: OnProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_CONCURRENCY = 3;

/** Brings an image from a source into the store: whoever does so holds a lease, and gives it a name before letting go. */
export class Acquisition {
  readonly #context: ImageContext;
  readonly #lease: Lease;
  readonly #source: BlobSource;
  readonly #options: AcquireOptions;
  readonly #subject: string;

  /** @param subject - for messages: the image's name. */
  constructor(parts: {
    readonly context: ImageContext;
    readonly lease: Lease;
    readonly source: BlobSource;
    readonly options: AcquireOptions;
    readonly subject: string;
  }) {
    this.#context = parts.context;
    this.#lease = parts.lease;
    this.#source = parts.source;
    this.#options = parts.options;
    this.#subject = parts.subject;
  }

  /** A manifest or an index that something refers to: from the store, or from the source into the store. */
  async document(descriptor: Descriptor): Promise<NamedManifest> {
    const { signal } = this.#options;
    return this.#undamaged(descriptor.digest, async () => {
      if (!(await this.#lease.useBlob(descriptor.digest, signal))) {
        const bytes = await this.#source.manifest(descriptor, signal);
        await this.#context.content.put(this.#lease, bytes, descriptor.digest);
      }
      return this.#context.documents.manifest(descriptor, this.#subject);
    });
  }

  /** The configuration of a manifest. @throws CloisterError `ERR_IMAGE_INVALID` for what is no image. */
  async config(manifest: ImageManifest): Promise<ImageConfig> {
    checkIsImage(manifest, this.#subject);
    const { digest, size } = manifest.config;
    if (size > MAX_CONFIG_BYTES) {
      throw new CloisterError(
        'ERR_IMAGE_INVALID',
        `${this.#subject}: a configuration of ${size} bytes, at most ${MAX_CONFIG_BYTES} are read`,
        { subject: digest },
      );
    }
    return this.#undamaged(digest, async () => {
      await fetchBlob(this.#lease, this.#source, manifest.config, { signal: this.#options.signal });
      return this.#context.documents.config(manifest, this.#subject);
    });
  }

  /** The layers of a manifest, stored and unpacked. @throws CloisterError whatever a layer or the source fails with. */
  async layers(manifest: ImageManifest, config: ImageConfig): Promise<void> {
    const layers = new Map<string, Layer>();
    manifest.layers.forEach((descriptor, index) => {
      const diffId = config.diffIds[index];
      if (diffId !== undefined) layers.set(`${descriptor.digest} ${diffId}`, { descriptor, diffId });
    });
    const progress = new ProgressTracker(manifest.layers, this.#options.onProgress);
    // It decides how long all of them take: the small ones fill what it leaves of the processors.
    const largestFirst = [...layers.values()].sort((a, b) => b.descriptor.size - a.descriptor.size);
    await this.#each(largestFirst, (layer, signal) =>
      new LayerWork({
        context: this.#context,
        lease: this.#lease,
        source: this.#source,
        options: this.#options,
        layer,
        report: (phase, bytes) => progress.report(layer.descriptor.digest, phase, bytes),
        signal,
      }).run(),
    );
  }

  /** All blobs of a manifest, an image's or an artifact's, as they are. */
  async blobs({ config, layers }: ImageManifest): Promise<void> {
    await this.#each([config, ...layers], (descriptor, signal) =>
      fetchBlob(this.#lease, this.#source, descriptor, { signal }),
    );
  }

  /** What the store has of it may have been damaged since it was checked: then it is fetched again. */
  async #undamaged<T>(digest: Digest, get: () => Promise<T>): Promise<T> {
    try {
      return await get();
    } catch (error) {
      if (!(await removeIfDamaged(this.#context, error, [digest], this.#options.signal))) throw error;
      return get();
    }
  }

  async #each<T>(items: readonly T[], work: (item: T, signal: AbortSignal) => Promise<void>): Promise<void> {
    const { concurrency = DEFAULT_CONCURRENCY, signal } = this.#options;
    await inParallel(items, { concurrency, signal, what: `getting ${this.#subject}` }, work);
  }
}
