import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { packArchive, type FileState } from '../native/pack.js';
import type { IdMapEntry } from '../native/plan.js';
import { throwIfAborted } from '../shared/abort.js';
import type { Digest } from '../shared/digest.js';
import { fileError } from '../shared/file-error.js';
import { changedConfig, type ConfigChanges } from './config-changes.js';
import { gzipped } from './compress.js';
import { makeDescriptor, type Descriptor } from './descriptor.js';
import type { ImageContext } from './image-context.js';
import { LayerWork, type Layer } from './layer.js';
import type { Lease } from './lease.js';
import { MAX_MANIFEST_BYTES, parseManifest, type ImageManifest } from './manifest.js';
import { MEDIA_TYPE } from './media-types.js';
import { NewContent } from './new-content.js';
import { readImage, type StoredImage } from './stored-image.js';
import { storedOnly } from './unpack-stored.js';
import { manifestBytes } from './write-documents.js';

/** What a sandbox changed of its image. */
export interface TreeChanges {
  /** The upper directory of its overlay. */
  readonly path: string;
  readonly uidMap: readonly IdMapEntry[];
  readonly gidMap: readonly IdMapEntry[];
  /** What was in it before any program ran: no change, as long as it is as it was. */
  readonly baseline: readonly FileState[];
}

export interface CommitRequest {
  /** Of the manifest of the image below, which somebody holds until this is done. */
  readonly base: Digest;
  readonly changes: TreeChanges;
  /** In full; what it stood for is replaced. */
  readonly reference: string;
  readonly config?: ConfigChanges;
  readonly author?: string | undefined;
  readonly comment?: string | undefined;
  /** For the history: what changed the files. */
  readonly createdBy?: string | undefined;
  /** How the layer is stored, and sent to registries. Default: `'gzip'`. */
  readonly compression?: 'gzip' | 'none' | undefined;
  /** Called when the changes are read, before they are unpacked and named: the sandbox may go on. @throws to give up. */
  readonly onPacked?: () => void | Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

const WHAT = 'committing a sandbox';

/** One commit, which holds a lease of all that the new image consists of. */
class Commit {
  readonly #context: ImageContext;
  readonly #lease: Lease;
  readonly #fresh: NewContent;
  readonly #request: CommitRequest;

  constructor(context: ImageContext, lease: Lease, fresh: NewContent, request: CommitRequest) {
    this.#context = context;
    this.#lease = lease;
    this.#fresh = fresh;
    this.#request = request;
  }

  async run(): Promise<StoredImage> {
    const { names } = this.#context;
    const { reference, signal } = this.#request;
    const base = await this.#base();
    const layer = await this.#pack(base);
    await this.#request.onPacked?.();
    await this.#unpack(layer);
    const target = await this.#describe(base, layer);
    throwIfAborted(signal, WHAT);
    const record = { reference, target, manifest: target, updated: Date.now() };
    await names.put(record, signal);
    return readImage(this.#context, record);
  }

  /** The manifest of the image below; none of its parts is collected from now on. */
  async #base(): Promise<ImageManifest> {
    const { content, documents } = this.#context;
    const { base, signal } = this.#request;
    await this.#lease.use('blob', base, signal);
    const manifest = parseManifest(await content.readAll(base, MAX_MANIFEST_BYTES), undefined, base);
    if (manifest.kind !== 'manifest') throw new TypeError(`${base} is an index, no image of a sandbox`);
    for (const { digest } of [manifest.config, ...manifest.layers]) await this.#lease.use('blob', digest, signal);
    for (const diffId of (await documents.config(manifest, base)).diffIds)
      await this.#lease.use('layer', diffId, signal);
    return manifest;
  }

  /** Writes the changes into the store, compressed on the way. */
  async #pack(base: ImageManifest): Promise<Layer> {
    const { changes, compression = 'gzip', signal } = this.#request;
    await using directory = await open(changes.path, 'r').catch((error: unknown) => {
      throw fileError(error, changes.path);
    });
    const hash = createHash('sha256');
    const archive = packArchive(directory.fd, {
      kind: 'upper',
      uids: changes.uidMap,
      gids: changes.gidMap,
      baseline: changes.baseline,
      signal,
    });
    const hashed = (async function* () {
      for await (const chunk of archive) {
        hash.update(chunk);
        yield chunk;
      }
    })();
    await using writer = await this.#lease.newWriter();
    for await (const chunk of compression === 'gzip' ? gzipped(hashed) : hashed) await writer.write(chunk);
    const { digest, size } = await writer.commit();
    this.#fresh.addBlob(digest);
    const mediaType = layerType(base, compression);
    return { descriptor: makeDescriptor({ mediaType, digest, size }), diffId: `sha256:${hash.digest('hex')}` };
  }

  /** Gives the layer to the storage driver, so that sandboxes can be made of the image. */
  async #unpack(layer: Layer): Promise<void> {
    const { signal } = this.#request;
    await this.#fresh.expectLayers([layer.diffId]);
    await new LayerWork({
      context: this.#context,
      lease: this.#lease,
      source: storedOnly(this.#request.reference),
      options: {},
      layer,
      report: () => undefined,
      signal,
    }).run();
  }

  /** Writes configuration and manifest. */
  async #describe(base: ImageManifest, { descriptor, diffId }: Layer): Promise<Descriptor> {
    const { content, documents } = this.#context;
    const { author, comment, createdBy = 'cloister commit', config = {} } = this.#request;
    const bytes = changedConfig(await documents.configBytes(base.config.digest), await documents.config(base), config, {
      diffId,
      created: new Date().toISOString(),
      createdBy,
      author,
      comment,
    });
    const put = async (written: Buffer, mediaType: string): Promise<Descriptor> => {
      const digest: Digest = `sha256:${createHash('sha256').update(written).digest('hex')}`;
      await this.#fresh.expectBlobs([{ digest }]);
      await content.put(this.#lease, written, digest);
      return makeDescriptor({ mediaType, digest, size: written.length });
    };
    const described = await put(bytes, base.config.mediaType);
    return put(manifestBytes(described, [...base.layers, descriptor], base.mediaType), base.mediaType);
  }
}

/** A manifest of Docker's with layers of OCI's is refused by some. */
function layerType({ mediaType }: ImageManifest, compression: 'gzip' | 'none'): string {
  if (mediaType === MEDIA_TYPE.dockerManifest)
    return compression === 'gzip' ? MEDIA_TYPE.dockerLayerGzip : MEDIA_TYPE.dockerLayer;
  return compression === 'gzip' ? MEDIA_TYPE.ociLayerGzip : MEDIA_TYPE.ociLayer;
}

/**
 * Makes a new image of another one and what a sandbox changed: one more layer, of exactly the changes, also if there are none.
 * The layer is packed, hashed, compressed and stored in one pass, and then unpacked for the sandboxes of the new image.
 *
 * The name is given at the end: one that fails leaves the image of this name as it was, and nothing of its own.
 *
 * @throws CloisterError `ERR_KERNEL` with what cannot be packed, see `packTree`, or for a full disk; `ERR_NOT_FOUND` when the
 * image below is not there any more; `ERR_ABORTED`; what `onPacked` throws.
 */
export async function commitImage(context: ImageContext, request: CommitRequest): Promise<StoredImage> {
  throwIfAborted(request.signal, WHAT);
  const fresh = new NewContent(context);
  try {
    using lease = context.content.lease();
    return await new Commit(context, lease, fresh, request).run();
  } catch (error) {
    await fresh.takeBack();
    throw error;
  }
}
