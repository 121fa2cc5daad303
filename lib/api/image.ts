import type { ImageConfig } from '../image/image-config.js';
import type { ImageRecord } from '../image/image-names.js';
import { formatPlatform } from '../image/platform.js';
import type { RemovedContent } from '../image/remove.js';
import type { Digest } from '../shared/digest.js';
import type { Host } from './host.js';
import { exportRoot, importRoot, load, save } from './image-archives.js';
import { historyOf, layersOf, sizeOf } from './image-facts.js';
import type { ImageDetails, ImageHistoryEntry, ImageLayer } from './image-facts.js';
import { IDENTITY, type ImageIdentity } from './image-identity.js';
import type { FoundImage } from './image-lookup.js';
import { find, inspect, list, prune, remove, tag } from './image-naming.js';
import type {
  ImageImportOptions,
  ImageListOptions,
  ImageLoadOptions,
  ImageOptions,
  ImagePruneOptions,
  ImagePullOptions,
  ImagePushOptions,
  ImageRemoveOptions,
  ImageSaveOptions,
} from './image-options.js';
import { pull, push, type PushedImage } from './image-transfer.js';

/**
 * An image on this machine: what a sandbox can be made of. The object stays what it is when its name is moved to another image;
 * given to a sandbox or an operation, it means exactly this one.
 *
 * Names are read with Docker's defaults: `debian:12` is `docker.io/library/debian:12`. An image that is here is also found by
 * `name@digest`, by its digest alone, and by its `id`, unless several have that. All operations may run in several processes at
 * once; one that fails leaves the names as they were.
 *
 * @example
 * ```ts
 * const image = await Image.pull('registry.example/team/app:1');
 * const { stdout } = await Sandbox.run(['app', '--version'], { image });
 * ```
 */
export class Image {
  /** In full: `docker.io/library/debian:12`. */
  readonly reference: string;
  /** Of its manifest. */
  readonly digest: Digest;
  /** What its name stands for at its registry: an index, or the image itself. */
  readonly target: Digest;
  /** Digest of its configuration, which Docker calls the id of the image. */
  readonly id: Digest;
  /** As `'linux/amd64'`. */
  readonly platform: string;
  /** How it wants to be run. */
  readonly config: ImageConfig;
  readonly labels: Readonly<Record<string, string>>;
  /** Bytes of all that it consists of, as it is stored and sent; shared layers count in each image. */
  readonly size: number;
  /** Bottom first. */
  readonly layers: readonly ImageLayer[];
  /** Oldest first. */
  readonly history: readonly ImageHistoryEntry[];
  readonly #host: Host;
  readonly #record: ImageRecord;

  /** @internal */
  static of(found: FoundImage): Image {
    return new Image(found);
  }

  private constructor({ host, stored }: FoundImage) {
    const { record, manifest, config } = stored;
    this.#host = host;
    this.#record = record;
    this.reference = record.reference;
    this.digest = record.manifest.digest;
    this.target = record.target.digest;
    this.id = manifest.config.digest;
    this.platform = formatPlatform(config.platform);
    this.config = config;
    this.labels = config.labels;
    this.size = sizeOf(stored);
    this.layers = layersOf(stored);
    this.history = historyOf(stored);
    Object.freeze(this);
  }

  /**
   * Gets an image from its registry and unpacks it; what is here already is not fetched again, and what an earlier pull began
   * is continued. A pull that fails leaves the image of this name as it was.
   *
   * @throws CloisterError `ERR_INVALID_REFERENCE`, `ERR_INVALID_OPTION`, `ERR_IMAGE_NOT_FOUND`, `ERR_PLATFORM_NOT_FOUND`,
   * `ERR_UNAUTHORIZED`, `ERR_REGISTRY`, `ERR_REGISTRY_UNREACHABLE`, `ERR_IMAGE_INVALID`, `ERR_LAYER_INVALID`,
   * `ERR_DIGEST_MISMATCH`, `ERR_KERNEL` for a full disk, `ERR_ABORTED`.
   * @example
   * ```ts
   * const image = await Image.pull('debian:12', { onProgress: ({ overall }) => console.log(overall.bytes, overall.total) });
   * ```
   */
  static async pull(reference: string, options: ImagePullOptions = {}): Promise<Image> {
    return new Image(await pull(reference, options));
  }

  /**
   * An image that is here.
   *
   * @throws CloisterError `ERR_IMAGE_NOT_FOUND`, `ERR_INVALID_REFERENCE`
   */
  static async get(name: string, options: ImageOptions = {}): Promise<Image> {
    return new Image(await find('looking for', 'name', name, options));
  }

  /** Every name that is here, in their order; an image with two names is there twice. */
  static async list(options: ImageListOptions = {}): Promise<readonly Image[]> {
    return (await list(options)).map((found) => new Image(found));
  }

  /**
   * Gives an image one more name; a name that stood for another image is moved.
   *
   * @returns the image by that name.
   * @throws CloisterError `ERR_IMAGE_NOT_FOUND`, `ERR_INVALID_REFERENCE`, `ERR_INVALID_OPTION`
   */
  static async tag(image: string | Image, name: string, options: ImageOptions = {}): Promise<Image> {
    return new Image(await tag(image, name, options));
  }

  /**
   * Removes a name, and what then nothing leads to any more. What running operations and sandboxes use stays until they end.
   *
   * @param image - an `Image` is only removed by its name if that still stands for it.
   * @throws CloisterError `ERR_IMAGE_NOT_FOUND`, `ERR_IMAGE_IN_USE` for one that a sandbox of any process runs.
   */
  static async remove(image: string | Image, options: ImageRemoveOptions = {}): Promise<RemovedContent> {
    return remove(image, options);
  }

  /**
   * Removes what no name leads to and nobody uses, and on request every image that no sandbox runs. So it does with layers that
   * another of the library's storage drivers has unpacked and that can be unpacked again, and with what a crash left half-made.
   *
   * @returns what was whole; what was half-made is not listed.
   */
  static async prune(options: ImagePruneOptions = {}): Promise<RemovedContent> {
    return prune(options);
  }

  /**
   * Sends an image to a registry; what that has already is not sent. The name changes there at the end.
   *
   * @returns what the name stands for at the registry now.
   * @throws CloisterError as `pull`; `ERR_NOT_FOUND` when layers are not here.
   */
  static async push(image: string | Image, options: ImagePushOptions = {}): Promise<PushedImage> {
    return push(image, options);
  }

  /**
   * Writes images to one archive: an OCI image layout, or what `docker load` takes. Its names come along. The archive appears
   * under its name when it is whole; a failure or an abort leaves nothing.
   *
   * @param image - one or several; a name of each is in the archive.
   * @param target - path of a file, which is replaced, or of a directory that is empty or not there; or a stream, which is ended
   * with the archive and destroyed when it cannot be completed.
   * @throws CloisterError `ERR_IMAGE_NOT_FOUND`, `ERR_INVALID_OPTION`, `ERR_NOT_FOUND` when layers are not here,
   * `ERR_PLATFORM_NOT_FOUND`, `ERR_DIGEST_MISMATCH` for what is damaged, `ERR_KERNEL` for a full disk, `ERR_ABORTED`; what the stream fails with.
   * @example
   * ```ts
   * await Image.save(['me/app:1', 'debian:12'], 'images.tar', { format: 'docker' });
   * await Image.save('me/app:1', process.stdout, { format: 'docker' }); // node save.mjs | docker load
   * ```
   */
  static async save(
    image: string | Image | readonly (string | Image)[],
    target: string | NodeJS.WritableStream,
    options: ImageSaveOptions = {},
  ): Promise<void> {
    await save(image, target, options);
  }

  /**
   * Brings in all images of an archive: an OCI image layout as a directory or a tar archive, or what `docker save` and
   * `podman save` write; archives plain or with gzip or zstd. Nothing that an archive says is believed: every digest, every size
   * and every layer is checked. When one image of it cannot be had, none is, and names are as they were.
   *
   * @param source - path of the archive or directory; or an archive as a stream of bytes, which is kept on disk while it is read.
   * @returns the images, once for each name. A name that stood for another image is moved.
   * @throws CloisterError `ERR_INVALID_OPTION` for a path that is neither, `ERR_IMAGE_INVALID`, `ERR_DIGEST_MISMATCH`,
   * `ERR_LAYER_INVALID`, `ERR_PLATFORM_NOT_FOUND`, `ERR_KERNEL` for a full disk, `ERR_ABORTED`; what the stream fails with.
   * @example
   * ```ts
   * const [image] = await Image.load('images.tar');
   * await Image.load(process.stdin); // docker save me/app:1 | node load.mjs
   * ```
   */
  static async load(source: string | AsyncIterable<Uint8Array>, options: ImageLoadOptions = {}): Promise<Image[]> {
    return (await load(source, options)).map((found) => new Image(found));
  }

  /**
   * Makes an image of one layer out of a root file system.
   *
   * @param source - path of a tar archive, plain or with gzip or zstd, or of a directory; or an archive as a stream of bytes.
   * Names in it that begin with `.wh.` mean what they mean in layers.
   * @throws CloisterError `ERR_INVALID_OPTION`, `ERR_INVALID_REFERENCE`, `ERR_LAYER_INVALID` for what is no tar archive or reaches
   * outside, `ERR_KERNEL` for a full disk, `ERR_ABORTED`.
   * @example
   * ```ts
   * await Image.import('/srv/root', 'me/base:1', { config: { cmd: ['/bin/sh'], env: { LANG: 'C.UTF-8' } } });
   * ```
   */
  static async import(
    source: string | AsyncIterable<Uint8Array>,
    name: string,
    options: ImageImportOptions = {},
  ): Promise<Image> {
    return new Image(await importRoot(source, name, options));
  }

  /**
   * Writes the root file system of an image, all layers merged, to a tar archive: owners, times, hard links and extended
   * attributes as they are in the image. It appears under its name when it is whole.
   *
   * @param target - path of a file, which is replaced; or a stream, as for {@link save}.
   * @throws CloisterError `ERR_IMAGE_NOT_FOUND`, `ERR_INVALID_OPTION`, `ERR_NOT_FOUND` when layers are not here, `ERR_KERNEL` for a
   * full disk, `ERR_ABORTED`; what the stream fails with.
   * @example
   * ```ts
   * await Image.export('me/app:1', 'root.tar');
   * await Image.export('me/app:1', process.stdout); // node export.mjs | tar -x
   * ```
   */
  static async export(
    image: string | Image,
    target: string | NodeJS.WritableStream,
    options: ImageOptions = {},
  ): Promise<void> {
    await exportRoot(image, target, options);
  }

  /** Everything that is known of an image, with its documents as they were written. @throws CloisterError `ERR_IMAGE_NOT_FOUND` */
  static async inspect(image: string | Image, options: ImageOptions = {}): Promise<ImageDetails> {
    return inspect(image, options);
  }

  /** How an image was made, oldest step first. @throws CloisterError `ERR_IMAGE_NOT_FOUND` */
  static async history(image: string | Image, options: ImageOptions = {}): Promise<readonly ImageHistoryEntry[]> {
    return historyOf((await find('looking at', 'image', image, options)).stored);
  }

  /** As the static one. */
  tag(name: string, options: Pick<ImageOptions, 'signal'> = {}): Promise<Image> {
    return Image.tag(this, name, options);
  }

  /** As the static one. */
  remove(options: Omit<ImageRemoveOptions, 'host'> = {}): Promise<RemovedContent> {
    return Image.remove(this, options);
  }

  /** As the static one. */
  push(options: Omit<ImagePushOptions, 'host'> = {}): Promise<PushedImage> {
    return Image.push(this, options);
  }

  /** As the static one. */
  save(target: string | NodeJS.WritableStream, options: Omit<ImageSaveOptions, 'host'> = {}): Promise<void> {
    return Image.save(this, target, options);
  }

  /** As the static one. */
  export(target: string | NodeJS.WritableStream, options: Pick<ImageOptions, 'signal'> = {}): Promise<void> {
    return Image.export(this, target, options);
  }

  /** As the static one. */
  inspect(options: Pick<ImageOptions, 'signal'> = {}): Promise<ImageDetails> {
    return Image.inspect(this, options);
  }

  /** The reference. */
  toString(): string {
    return this.reference;
  }

  /** @internal */
  get [IDENTITY](): ImageIdentity {
    return { record: this.#record, host: this.#host };
  }
}
