import { createHash } from 'node:crypto';
import { CloisterError } from '../../errors.js';
import { splitDigest, type Digest } from '../../shared/digest.js';
import { decompress } from '../decompress.js';
import type { Descriptor } from '../descriptor.js';
import { MAX_CONFIG_BYTES, type ImageConfig } from '../image-config.js';
import { planParts } from '../image-parts.js';
import { checkIsImage, type ImageManifest } from '../manifest.js';
import { parseReference } from '../reference.js';
import type { StoredImage } from '../stored-image.js';
import { DOCKER_MANIFEST } from './docker-manifest.js';
import type { SaveWork } from './save-layout.js';
import { once, whileWanted } from './write-files.js';

/** One element of `manifest.json`, as Docker spells it. */
interface DockerEntry {
  readonly Config: string;
  readonly RepoTags: string[] | null;
  readonly Layers: readonly string[];
}

/** Of a digest of any algorithm; readers expect names of this length. */
function nameOf(digest: Digest): string {
  return splitDigest(digest)[1].slice(0, 64);
}

class DockerArchive {
  readonly #work: SaveWork;
  /** By configuration: an image with two names is there once. */
  readonly #entries = new Map<Digest, DockerEntry>();
  /** The top layer, by repository and tag; both are of the image's choosing. */
  readonly #tops = new Map<string, Map<string, string>>();
  readonly #written = new Set<Digest>();

  constructor(work: SaveWork) {
    this.#work = work;
  }

  async add(image: StoredImage): Promise<void> {
    const { manifest, config } = await this.#choose(image);
    const entry = this.#entries.get(manifest.config.digest) ?? (await this.#write(manifest, config));
    this.#entries.set(manifest.config.digest, entry);
    const reference = parseReference(image.record.reference);
    if (reference.tag === undefined || reference.digest !== undefined) return;
    const name = reference.familiar;
    if (entry.RepoTags?.includes(name) === false) entry.RepoTags.push(name);
    const repository = name.slice(0, -reference.tag.length - 1);
    const top = config.diffIds.at(-1);
    if (top === undefined) return;
    const tags = this.#tops.get(repository) ?? new Map<string, string>();
    this.#tops.set(repository, tags.set(reference.tag, nameOf(top)));
  }

  async finish(): Promise<void> {
    const entries = [...this.#entries.values()].map((entry) => ({
      ...entry,
      RepoTags: entry.RepoTags?.length === 0 ? null : entry.RepoTags,
    }));
    const tops = Object.fromEntries([...this.#tops].map(([name, tags]) => [name, Object.fromEntries(tags)]));
    await this.#document('repositories', Buffer.from(JSON.stringify(tops)));
    await this.#document(DOCKER_MANIFEST, Buffer.from(JSON.stringify(entries)));
  }

  /** The one image that goes into an archive without platforms. */
  async #choose(image: StoredImage): Promise<{ readonly manifest: ImageManifest; readonly config: ImageConfig }> {
    const { context, lease, platform } = this.#work;
    const { record } = image;
    const single = { ...image, record: { ...record, target: record.manifest } };
    const { root } = await planParts(context, lease, platform === undefined ? single : image, platform);
    const { manifest } = await context.documents.manifest(root, record.reference);
    if (manifest.kind !== 'manifest') throw new TypeError('one platform is one image');
    checkIsImage(manifest, record.reference);
    return { manifest, config: await context.documents.config(manifest, record.reference) };
  }

  async #write(manifest: ImageManifest, config: ImageConfig): Promise<DockerEntry> {
    const { content } = this.#work.context;
    const { digest } = manifest.config;
    const name = `${nameOf(digest)}.json`;
    await this.#document(name, await content.readAll(digest, MAX_CONFIG_BYTES));
    const layers: string[] = [];
    for (const [index, layer] of manifest.layers.entries()) {
      const diffId = config.diffIds[index];
      if (diffId === undefined) continue;
      layers.push(`${nameOf(diffId)}/layer.tar`);
      await this.#layer(layer, diffId);
    }
    return { Config: name, RepoTags: [], Layers: layers };
  }

  async #document(name: string, bytes: Uint8Array): Promise<void> {
    await this.#work.sink.file(name, bytes.length, once(bytes));
  }

  /** Uncompressed, as every reader takes it. A tar archive has the size before the file: it is decompressed twice. */
  async #layer(layer: Descriptor, diffId: Digest): Promise<void> {
    if (this.#written.has(diffId)) return;
    this.#written.add(diffId);
    const size = await this.#measure(layer, diffId);
    await this.#work.sink.file(`${nameOf(diffId)}/VERSION`, 3, once(Buffer.from('1.0')));
    await this.#work.sink.file(`${nameOf(diffId)}/layer.tar`, size, this.#archive(layer));
  }

  async #measure(layer: Descriptor, diffId: Digest): Promise<number> {
    const [algorithm, hex] = splitDigest(diffId);
    const hash = createHash(algorithm);
    let bytes = 0;
    for await (const chunk of this.#archive(layer)) {
      hash.update(chunk);
      bytes += chunk.length;
    }
    if (hash.digest('hex') === hex) return bytes;
    throw new CloisterError('ERR_DIGEST_MISMATCH', `layer ${layer.digest} is damaged: its archive is not ${diffId}`, {
      subject: layer.digest,
      hint: 'remove the image and pull it again; check the disk if this happens twice',
    });
  }

  #archive({ digest }: Descriptor): AsyncIterable<Uint8Array> {
    const { context, signal } = this.#work;
    return whileWanted(decompress(context.content.read(digest, { signal })), signal);
  }
}

/**
 * Writes images as `docker save` did for years, which Docker, Podman and skopeo read: `manifest.json`, configurations and
 * uncompressed layers, each layer once.
 *
 * @see https://github.com/moby/docker-image-spec/blob/main/v1.2.md#combined-image-json--filesystem-changeset-format
 */
export async function saveDocker(work: SaveWork): Promise<void> {
  const archive = new DockerArchive(work);
  for (const image of work.images) await archive.add(image);
  await archive.finish();
}
