import { CloisterError } from '../errors.js';
import { Acquisition, type AcquireOptions } from './acquire.js';
import type { BlobSource } from './blob-source.js';
import { isMismatch, removeIfDamaged } from './damage.js';
import type { Descriptor } from './descriptor.js';
import type { ImageContext } from './image-context.js';
import { rootsOf } from './image-names.js';
import type { Lease } from './lease.js';
import { chooseManifest, type NamedManifest } from './manifest-choice.js';
import type { ImageConfig } from './image-config.js';
import type { ImageIndex, Manifest } from './manifest.js';
import { hostPlatform, type Platform } from './platform.js';
import { noPlatform, platformRank } from './platform-match.js';
import { withDigest, type Reference } from './reference.js';
import type { RegistryClient } from './registry/client.js';
import { canUnpack, findImage, type StoredImage } from './stored-image.js';

export interface PullOptions extends AcquireOptions {
  /** Default: what this machine is. `'all'`: whatever the registry has by the name; this machine's image is unpacked. */
  readonly platform?: Platform | 'all' | undefined;
  /** `'missing'`: asks no registry when an image of this name and platform is here, whole. Default: `'always'`. */
  readonly policy?: 'always' | 'missing' | undefined;
}

/** An index of indexes is rare, deeper ones are attacks. */
const MAX_INDEX_DEPTH = 4;

/**
 * What an image runs on. An index says more than the configuration, where older build tools leave out the variant; a name without
 * an index says it only there.
 */
function platformOf({ platform }: Descriptor, config: ImageConfig): Platform {
  return platform ?? config.platform;
}

async function unlessNotFound(document: Promise<NamedManifest>): Promise<Manifest | undefined> {
  try {
    return (await document).manifest;
  } catch (error) {
    if (CloisterError.is(error) && error.code === 'ERR_IMAGE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** One repository of a registry. */
export function registrySource(client: RegistryClient, reference: Reference): BlobSource {
  return {
    blob: (descriptor, options) => client.blob(reference, descriptor, options),
    manifest: async (descriptor, signal) => {
      const named = withDigest(reference, descriptor.digest);
      return (await client.manifest(named, { expected: descriptor, signal })).bytes;
    },
  };
}

/** One pull; what several pulls have in common they do once, see `LayerWork`. */
class Pull {
  readonly #context: ImageContext;
  readonly #client: RegistryClient;
  readonly #reference: Reference;
  readonly #options: PullOptions;
  readonly #machine: Platform;

  constructor(context: ImageContext, client: RegistryClient, reference: Reference, options: PullOptions) {
    this.#context = context;
    this.#client = client;
    this.#reference = reference;
    this.#options = options;
    this.#machine = options.platform === undefined || options.platform === 'all' ? hostPlatform() : options.platform;
  }

  async run(): Promise<StoredImage> {
    const known = await this.#known();
    if (known !== undefined && (await this.#isEnough(known))) return known;
    using lease = this.#context.content.lease();
    const acquisition = new Acquisition({
      context: this.#context,
      lease,
      source: registrySource(this.#client, this.#reference),
      options: this.#options,
      subject: this.#name,
    });
    const root = await this.#root(lease, acquisition, known);
    const chosen = await chooseManifest(root, this.#machine, (each) => acquisition.document(each), this.#name);
    const config = await acquisition.config(chosen.manifest);
    this.#checkPlatform(chosen.descriptor, config);
    await acquisition.layers(chosen.manifest, config);
    if (this.#options.platform === 'all' && root.manifest.kind === 'index')
      await this.#others(acquisition, root.manifest, 0);
    const record = { reference: this.#name, target: root.descriptor, manifest: chosen.descriptor, updated: Date.now() };
    await this.#context.names.put(record, this.#options.signal);
    return { record, manifest: chosen.manifest, config };
  }

  /** A damaged one is as good as missing. */
  async #known(): Promise<StoredImage | undefined> {
    try {
      return await findImage(this.#context, this.#name);
    } catch (error) {
      if (!isMismatch(error)) throw error;
      const record = await this.#context.names.get(this.#name);
      const roots = record === undefined ? [] : rootsOf(record).map(({ digest }) => digest);
      await removeIfDamaged(this.#context, error, roots, this.#options.signal);
      return undefined;
    }
  }

  get #name(): string {
    return this.#reference.toString();
  }

  /** A name whose layers are lost, or were unpacked for another storage driver and collected, is as good as missing. */
  async #isEnough(known: StoredImage): Promise<boolean> {
    const { policy, platform } = this.#options;
    if (policy !== 'missing' || platform === 'all') return false;
    return this.#runs(platformOf(known.record.manifest, known.config)) && canUnpack(this.#context, known);
  }

  #checkPlatform(chosen: Descriptor, config: ImageConfig): void {
    const platform = platformOf(chosen, config);
    if (!this.#runs(platform)) throw noPlatform([platform], this.#machine, this.#name);
  }

  #runs(platform: Platform): boolean {
    return platformRank(this.#machine, platform) !== undefined;
  }

  /**
   * What the name stands for. Where an answer is likely to be known already, the registry is only asked for its digest: that is
   * quicker, and is not counted by registries that count pulls.
   */
  async #root(lease: Lease, acquisition: Acquisition, known: StoredImage | undefined): Promise<NamedManifest> {
    const { signal } = this.#options;
    const reference = this.#reference;
    if (known !== undefined) {
      const { target } = known.record;
      const isCurrent =
        reference.digest === target.digest ||
        (await this.#client.resolve(reference, { signal })).digest === target.digest;
      if (isCurrent) return acquisition.document(target);
    }
    const { descriptor, bytes, manifest } = await this.#client.manifest(reference, { signal });
    await this.#context.content.put(lease, bytes, descriptor.digest);
    return { descriptor, manifest };
  }

  /** An index may be sparse: whoever copied it left out what was not wanted there. */
  async #others(acquisition: Acquisition, index: ImageIndex, depth: number): Promise<void> {
    for (const descriptor of index.manifests) {
      const manifest = await unlessNotFound(acquisition.document(descriptor));
      if (manifest === undefined) continue;
      if (manifest.kind === 'manifest') await acquisition.blobs(manifest);
      else if (depth < MAX_INDEX_DEPTH) await this.#others(acquisition, manifest, depth + 1);
    }
  }
}

/**
 * Gets an image from its registry: manifest, configuration and layers, several of them at once, each downloaded, stored,
 * verified and unpacked in one pass. What is here already is not fetched again, and what an earlier pull began is continued.
 * The name is given at the end: a pull that fails leaves the image of this name as it was.
 *
 * @throws CloisterError what the registry client throws; `ERR_PLATFORM_NOT_FOUND`, `ERR_IMAGE_INVALID`, `ERR_LAYER_INVALID`,
 * `ERR_DIGEST_MISMATCH`, `ERR_KERNEL` for a full disk, `ERR_ABORTED`.
 */
export async function pullImage(
  context: ImageContext,
  client: RegistryClient,
  reference: Reference,
  options: PullOptions = {},
): Promise<StoredImage> {
  return new Pull(context, client, reference, options).run();
}
