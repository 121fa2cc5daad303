import { CloisterError } from '../errors.js';
import type { ImageContext } from './image-context.js';
import { makeDescriptor, type Descriptor } from './descriptor.js';
import type { Lease } from './lease.js';
import type { ImageIndex } from './manifest.js';
import { isManifestType } from './media-types.js';
import type { Platform } from './platform.js';
import { choosePlatform, noPlatform, platformRank } from './platform-match.js';
import type { StoredImage } from './stored-image.js';
import { indexBytes } from './write-documents.js';

/** What is sent or saved of an image. */
export interface ImageParts {
  /** What the name is to stand for. */
  readonly root: Descriptor;
  /** Manifests and indexes, each after those that it names; the root is the last. */
  readonly documents: readonly Descriptor[];
  /** Configurations and other things that are no layers. */
  readonly configs: readonly Descriptor[];
  readonly layers: readonly Descriptor[];
}

/** An index of indexes is rare, deeper ones are attacks. */
const MAX_DEPTH = 4;

function join(root: Descriptor, parts: readonly ImageParts[]): ImageParts {
  const unique = (all: readonly Descriptor[]): readonly Descriptor[] => [
    ...new Map(all.map((each) => [each.digest, each])).values(),
  ];
  return {
    root,
    documents: unique([...parts.flatMap(({ documents }) => documents), root]),
    configs: unique(parts.flatMap(({ configs }) => configs)),
    layers: unique(parts.flatMap(({ layers }) => layers)),
  };
}

/** Finds out what of an image is here, under a lease that keeps it. */
class Planner {
  readonly #context: ImageContext;
  readonly #lease: Lease;
  readonly #image: StoredImage;

  constructor(context: ImageContext, lease: Lease, image: StoredImage) {
    this.#context = context;
    this.#lease = lease;
    this.#image = image;
  }

  async plan(platform: Platform | undefined): Promise<ImageParts> {
    const { target, manifest, reference } = this.#image.record;
    const index = await this.#index(target);
    if (index === undefined) {
      const { config } = this.#image;
      if (platform !== undefined && platformRank(platform, config.platform) === undefined)
        throw noPlatform([config.platform], platform, reference);
      return this.#required(target);
    }
    if (platform !== undefined) return this.#required(choosePlatform(index.manifests, platform, reference));
    const found = await Promise.all(index.manifests.map((each) => this.#visit(each, 1)));
    const here = found.flatMap((parts) => parts ?? []);
    if (here.length === found.length) return join(target, here);
    if (here.length <= 1) return this.#required(manifest);
    return join(await this.#shorten(index, here), here);
  }

  /** All parts of a document, or undefined when one of them is not here. */
  async #visit(descriptor: Descriptor, depth: number): Promise<ImageParts | undefined> {
    if (depth > MAX_DEPTH || !isManifestType(descriptor.mediaType)) return undefined;
    if (!(await this.#lease.useBlob(descriptor.digest))) return undefined;
    const { manifest } = await this.#context.documents.manifest(descriptor, this.#image.record.reference);
    if (manifest.kind === 'manifest') {
      const { config, layers } = manifest;
      const areHere = await Promise.all([config, ...layers].map(({ digest }) => this.#lease.useBlob(digest)));
      if (areHere.includes(false)) return undefined;
      return join(descriptor, [{ root: descriptor, documents: [], configs: [config], layers }]);
    }
    const found = await Promise.all(manifest.manifests.map((each) => this.#visit(each, depth + 1)));
    const here = found.flatMap((parts) => parts ?? []);
    return here.length === found.length ? join(descriptor, here) : undefined;
  }

  async #required(descriptor: Descriptor): Promise<ImageParts> {
    const parts = await this.#visit(descriptor, 0);
    if (parts !== undefined) return parts;
    const { reference } = this.#image.record;
    throw new CloisterError('ERR_NOT_FOUND', `${reference}: not all of ${descriptor.digest} is on this machine`, {
      subject: reference,
      hint: 'pull it again for this platform: what is missing is fetched then',
    });
  }

  async #index(target: Descriptor): Promise<ImageIndex | undefined> {
    if (!(await this.#lease.useBlob(target.digest))) return undefined;
    const { manifest } = await this.#context.documents.manifest(target, this.#image.record.reference);
    return manifest.kind === 'index' ? manifest : undefined;
  }

  /** The same index with nothing in it that is not here. */
  async #shorten(index: ImageIndex, here: readonly ImageParts[]): Promise<Descriptor> {
    const roots = here.map(({ root }) => root);
    const bytes = indexBytes(roots, index.mediaType, index.annotations);
    const digest = await this.#context.content.put(this.#lease, bytes);
    return makeDescriptor({ mediaType: index.mediaType, digest, size: bytes.length });
  }
}

/**
 * What of an image leaves this machine. An index goes as it is when all of it is here; shortened when some of it is; and when
 * it is one image alone, that goes without it.
 *
 * @param platform - the image of this platform alone.
 * @throws CloisterError `ERR_NOT_FOUND` when parts of it are not here, `ERR_PLATFORM_NOT_FOUND`.
 */
export async function planParts(
  context: ImageContext,
  lease: Lease,
  image: StoredImage,
  platform?: Platform,
): Promise<ImageParts> {
  return new Planner(context, lease, image).plan(platform);
}
