import { Acquisition, type AcquireOptions } from '../acquire.js';
import type { ByteSource } from '../byte-source.js';
import { makeDescriptor, type Descriptor } from '../descriptor.js';
import type { ImageContext } from '../image-context.js';
import type { ImageRecord } from '../image-names.js';
import type { Lease } from '../lease.js';
import { checkIsImage, isArtifact, type ImageManifest } from '../manifest.js';
import { chooseManifest, type NamedManifest } from '../manifest-choice.js';
import { NewContent } from '../new-content.js';
import { hostPlatform, type Platform } from '../platform.js';
import { noPlatform, platformRank } from '../platform-match.js';
import type { Reference } from '../reference.js';
import { readImage, type StoredImage } from '../stored-image.js';
import { DOCKER_MANIFEST, parseDockerManifest } from './docker-manifest.js';
import { readDockerImage } from './docker-source.js';
import { invalidArchive, readDocument, type ArchiveFiles } from './files.js';
import { defaultRepository, resolveName, type ArchiveName } from './names.js';
import { blobName, checkMarker, OCI_LAYOUT, parseLayoutIndex } from './oci-layout.js';
import { layoutSource } from './oci-source.js';
import { openArchive, STREAM } from './open-archive.js';
import { putNames } from './put-names.js';
import { TarFiles } from './tar-files.js';

export interface LoadOptions extends AcquireOptions {
  /** Default: what this machine is. */
  readonly platform?: Platform | undefined;
  /** For images that the archive names by a tag alone, or not at all. Default: `localhost/` and the name of the file, or `image`. */
  readonly repository?: Reference | undefined;
}

/** An image that is stored, and what it is to be called. */
interface Acquired {
  readonly names: readonly ArchiveName[];
  readonly target: Descriptor;
  readonly manifest: Descriptor;
}

/** An index of indexes is rare, deeper ones are attacks. */
const MAX_INDEX_DEPTH = 4;

class Load {
  readonly #context: ImageContext;
  readonly #lease: Lease;
  readonly #files: ArchiveFiles;
  readonly #fresh: NewContent;
  readonly #options: LoadOptions;
  readonly #machine: Platform;

  constructor(context: ImageContext, lease: Lease, files: ArchiveFiles, fresh: NewContent, options: LoadOptions) {
    this.#context = context;
    this.#lease = lease;
    this.#files = files;
    this.#fresh = fresh;
    this.#options = options;
    this.#machine = options.platform ?? hostPlatform();
  }

  async run(): Promise<readonly Acquired[]> {
    const { signal } = this.#options;
    const [marker, index, docker] = await Promise.all(
      [OCI_LAYOUT.marker, OCI_LAYOUT.index, DOCKER_MANIFEST].map((name) => this.#files.find(name)),
    );
    // Docker writes both since version 25; digests that a manifest has are worth more than ones that are made here.
    if (marker !== undefined && index !== undefined) {
      checkMarker(this.#files.subject, await readDocument(this.#files, marker, signal));
      return this.#layout(await readDocument(this.#files, index, signal));
    }
    if (docker !== undefined && this.#files instanceof TarFiles)
      return this.#docker(this.#files, await readDocument(this.#files, docker, signal));
    throw invalidArchive(this.#files.subject, 'expected an OCI layout or an archive of docker save, got neither', {
      hint: 'a root file system as an archive becomes an image by import',
    });
  }

  async #layout(index: Uint8Array): Promise<readonly Acquired[]> {
    const { subject } = this.#files;
    const source = layoutSource(this.#files, this.#fresh);
    const acquisition = this.#acquisition(source);
    const acquired: Acquired[] = [];
    let artifact: ImageManifest | undefined;
    for (const { name, root: descriptor } of parseLayoutIndex(subject, index, this.#machine)) {
      const root = await acquisition.document(descriptor);
      const chosen = await chooseManifest(root, this.#machine, (each) => acquisition.document(each), subject);
      // Signatures and bills of materials lie beside the images that they are about.
      if (isArtifact(chosen.manifest)) {
        artifact = chosen.manifest;
        continue;
      }
      await this.#image(acquisition, chosen.manifest, chosen.descriptor.platform);
      await this.#others(acquisition, root, 0);
      acquired.push({ names: [name], target: bare(descriptor), manifest: bare(chosen.descriptor) });
    }
    if (acquired.length === 0 && artifact !== undefined) checkIsImage(artifact, subject);
    return acquired;
  }

  async #docker(files: TarFiles, manifest: Uint8Array): Promise<readonly Acquired[]> {
    const { content, documents } = this.#context;
    const acquired: Acquired[] = [];
    for (const image of parseDockerManifest(files.subject, manifest)) {
      const parts = await readDockerImage(files, image, this.#options.signal);
      for (const { descriptor, bytes } of [parts.config, parts.manifest]) {
        await this.#fresh.expectBlobs([descriptor]);
        await content.put(this.#lease, bytes, descriptor.digest);
      }
      const { descriptor } = parts.manifest;
      const read = (await documents.manifest(descriptor, files.subject)).manifest as ImageManifest;
      await this.#image(this.#acquisition(parts.source), read);
      acquired.push({ names: image.names, target: descriptor, manifest: descriptor });
    }
    return acquired;
  }

  #acquisition(source: ConstructorParameters<typeof Acquisition>[0]['source']): Acquisition {
    const [context, lease, options] = [this.#context, this.#lease, this.#options];
    return new Acquisition({ context, lease, source, options, subject: this.#files.subject });
  }

  /** @param listed - what an index says that it runs on, which goes before its configuration. */
  async #image(acquisition: Acquisition, manifest: ImageManifest, listed?: Platform): Promise<void> {
    await this.#fresh.expectBlobs([manifest.config, ...manifest.layers]);
    const config = await acquisition.config(manifest);
    const platform = listed ?? config.platform;
    if (platformRank(this.#machine, platform) === undefined)
      throw noPlatform([platform], this.#machine, this.#files.subject);
    await this.#fresh.expectLayers(config.diffIds);
    await acquisition.layers(manifest, config);
  }

  /** What there is for other platforms is kept as it is; what there is not was not saved. */
  async #others(acquisition: Acquisition, { manifest: index }: NamedManifest, depth: number): Promise<void> {
    if (index.kind !== 'index') return;
    for (const descriptor of index.manifests) {
      if ((await this.#files.find(blobName(descriptor.digest))) === undefined) continue;
      const other = await acquisition.document(descriptor);
      if (other.manifest.kind === 'index' && depth < MAX_INDEX_DEPTH) await this.#others(acquisition, other, depth + 1);
      else if (other.manifest.kind === 'manifest' && (await this.#hasAll(other.manifest))) {
        await this.#fresh.expectBlobs([other.manifest.config, ...other.manifest.layers]);
        await acquisition.blobs(other.manifest);
      }
    }
  }

  async #hasAll({ config, layers }: ImageManifest): Promise<boolean> {
    const found = [config, ...layers].map(({ digest }) => this.#files.find(blobName(digest)));
    return !(await Promise.all(found)).includes(undefined);
  }
}

/** Without what the archive says of it. */
function bare({ mediaType, digest, size }: Descriptor): Descriptor {
  return makeDescriptor({ mediaType, digest, size });
}

function recordsOf(path: string, acquired: readonly Acquired[], repository: Reference): readonly ImageRecord[] {
  const updated = Date.now();
  const records = acquired.flatMap(({ names, target, manifest }) =>
    names.map((name) => ({
      reference: resolveName(path, name, repository, [target.digest, manifest.digest]).toString(),
      target,
      manifest,
      updated,
    })),
  );
  const byName = new Map<string, ImageRecord>();
  for (const record of records) {
    const other = byName.get(record.reference);
    if (other !== undefined && other.manifest.digest !== record.manifest.digest)
      throw invalidArchive(path, `two images are called ${record.reference}`);
    byName.set(record.reference, record);
  }
  return [...byName.values()];
}

/**
 * Brings all images of an archive into the store: an OCI layout as a directory or a tar archive, or an archive of `docker save`;
 * archives plain or with gzip or zstd. What an archive says is checked: every digest, every size, and that layers are the ones
 * that configurations promise. When it fails, names are as they were, and nothing that came is left.
 *
 * @param source - path of the archive or directory, or an archive as a stream.
 * @returns the images, once for each of their names.
 * @throws CloisterError `ERR_INVALID_OPTION` for a path that is neither, `ERR_IMAGE_INVALID`, `ERR_DIGEST_MISMATCH`,
 * `ERR_LAYER_INVALID`, `ERR_PLATFORM_NOT_FOUND`, `ERR_KERNEL` for a full disk, `ERR_ABORTED`.
 */
export async function loadImages(
  context: ImageContext,
  source: string | ByteSource,
  options: LoadOptions = {},
): Promise<readonly StoredImage[]> {
  const fresh = new NewContent(context);
  try {
    using lease = context.content.lease();
    await using files = await openArchive(context.content, source, options.signal);
    const acquired = await new Load(context, lease, files, fresh, options).run();
    const [subject, repository] =
      typeof source === 'string' ? [source, defaultRepository(source)] : [STREAM, defaultRepository('')];
    const records = recordsOf(subject, acquired, options.repository ?? repository);
    await putNames(context.names, records, options.signal);
    return await Promise.all(records.map((record) => readImage(context, record)));
  } catch (error) {
    await fresh.takeBack();
    throw error;
  }
}
