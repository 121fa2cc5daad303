import { CloisterError } from '../errors.js';
import type { Digest } from '../shared/digest.js';
import type { BlobSource } from './blob-source.js';
import type { BlobWriter } from './blob-writer.js';
import type { Descriptor } from './descriptor.js';
import { fetchChunks, withFreshStart } from './fetch-blob.js';
import type { ImageContext } from './image-context.js';
import type { Lease } from './lease.js';
import type { LayerPhase } from './progress.js';
import { VerifiedArchive } from './verified-archive.js';

export interface Layer {
  /** As it is stored and sent: compressed or not. */
  readonly descriptor: Descriptor;
  /** Digest of its uncompressed archive. */
  readonly diffId: Digest;
}

export interface LayerOptions {
  /** More than that much uncompressed is an attack. Default: 64 GiB. */
  readonly maxLayerBytes?: number | undefined;
  /** Does not fetch the blobs of layers that are unpacked already; the image can be run then, and not pushed or saved. */
  readonly skipUnpacked?: boolean | undefined;
}

const DEFAULT_MAX_LAYER_BYTES = 64 * 2 ** 30;

/** What is wrong with the bytes, not with this machine. */
function isLayerFault(error: unknown): boolean {
  return CloisterError.is(error) && (error.code === 'ERR_LAYER_INVALID' || error.code === 'ERR_DIGEST_MISMATCH');
}

/** A blob on its way to whoever unpacks it; stays open when that one leaves. */
class Transfer {
  /** What went wrong on the way, which may look like a damaged layer at the other end. */
  failure: unknown;
  readonly #blob: AsyncIterator<Uint8Array>;

  constructor(blob: AsyncIterator<Uint8Array>) {
    this.#blob = blob;
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (let next = await this.#blob.next(); next.done !== true; next = await this.#blob.next()) yield next.value;
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }
}

/** Brings one layer from a source into the content store and the storage driver, in one pass. */
export class LayerWork {
  readonly #context: ImageContext;
  readonly #lease: Lease;
  readonly #source: BlobSource;
  readonly #options: LayerOptions;
  readonly #layer: Layer;
  readonly #report: (phase: LayerPhase, bytes?: number) => void;
  readonly #signal: AbortSignal | undefined;

  constructor(parts: {
    readonly context: ImageContext;
    readonly lease: Lease;
    readonly source: BlobSource;
    readonly options: LayerOptions;
    readonly layer: Layer;
    readonly report: (phase: LayerPhase, bytes?: number) => void;
    readonly signal: AbortSignal | undefined;
  }) {
    this.#context = parts.context;
    this.#lease = parts.lease;
    this.#source = parts.source;
    this.#options = parts.options;
    this.#layer = parts.layer;
    this.#report = parts.report;
    this.#signal = parts.signal;
  }

  /**
   * Does what is missing. Only one in all processes works on a layer at a time; the others wait, and find it done.
   *
   * @throws CloisterError `ERR_LAYER_INVALID`, `ERR_DIGEST_MISMATCH`, `ERR_KERNEL`, `ERR_ABORTED`, and what the source throws.
   */
  async run(): Promise<void> {
    const { content, layers } = this.#context;
    const { descriptor, diffId } = this.#layer;
    this.#report('waiting');
    await this.#lease.use('layer', diffId, this.#signal);
    using _turn = await content.locks.lock(`unpack ${diffId}`, 'exclusive', this.#signal);
    if (!(await layers.has(diffId))) await this.#makeLayer();
    else if (this.#options.skipUnpacked !== true && !(await this.#isStored())) await this.#fetch(drain);
    else {
      this.#report('exists');
      return;
    }
    this.#report('done', descriptor.size);
  }

  /** Another image may call the same blob something else and bring it in the meantime: then it is unpacked from the store. */
  async #makeLayer(): Promise<void> {
    do {
      if ((await this.#isStored()) && (await this.#unpackStored())) return;
    } while (!(await this.#fetch((chunks) => this.#unpackWhileFetching(chunks))));
  }

  /** One that was cut off is removed, and comes anew. */
  async #isStored(): Promise<boolean> {
    const { content } = this.#context;
    const { digest, size } = this.#layer.descriptor;
    if (!(await this.#lease.useBlob(digest, this.#signal))) return false;
    const found = await content.stat(digest);
    if (found === undefined || found.size === size) return found !== undefined;
    if (await content.removeDamaged(digest, this.#signal)) return false;
    throw new CloisterError(
      'ERR_IMAGE_INVALID',
      `layer ${digest}: the manifest says ${size} bytes, it has ${found.size}`,
      {
        subject: digest,
      },
    );
  }

  /** False when the blob turned out to be damaged, and is gone. */
  async #unpackStored(): Promise<boolean> {
    const { content } = this.#context;
    const { digest, size } = this.#layer.descriptor;
    const read = async function* (this: LayerWork): AsyncGenerator<Uint8Array> {
      let bytes = 0;
      for await (const chunk of content.read(digest, { signal: this.#signal })) {
        this.#report('unpacking', (bytes += chunk.length));
        yield chunk;
      }
    };
    this.#report('unpacking', 0);
    try {
      await this.#unpack(read.call(this));
    } catch (error) {
      if (!isLayerFault(error) || !(await content.removeDamaged(digest, this.#signal))) throw error;
      return false;
    }
    this.#report('unpacking', size);
    return true;
  }

  /** False when another process has brought the blob. */
  async #fetch(use: (chunks: AsyncGenerator<Uint8Array>) => Promise<void>): Promise<boolean> {
    const { descriptor } = this.#layer;
    const signal = this.#signal;
    return withFreshStart(
      () => this.#lease.writer(descriptor, signal),
      async (writer: BlobWriter) => {
        this.#report('downloading', writer.bytes);
        const onBytes = (bytes: number): void =>
          this.#report(bytes < descriptor.size ? 'downloading' : 'unpacking', bytes);
        const chunks = fetchChunks(writer, this.#source, descriptor, { signal, onBytes });
        try {
          await use(chunks);
        } finally {
          await chunks.return(undefined);
        }
      },
    );
  }

  /**
   * The blob is fetched to its end whatever becomes of the layer: only then it is known whether the image is wrong or what came
   * through the network.
   */
  async #unpackWhileFetching(chunks: AsyncGenerator<Uint8Array>): Promise<void> {
    const transfer = new Transfer(chunks);
    try {
      await this.#unpack(transfer.chunks());
    } catch (error) {
      if (transfer.failure === undefined && isLayerFault(error)) await drain(chunks);
      throw transfer.failure ?? error;
    }
    await drain(chunks);
  }

  async #unpack(blob: AsyncIterable<Uint8Array>): Promise<void> {
    const { diffId } = this.#layer;
    const archive = new VerifiedArchive(blob, diffId, this.#options.maxLayerBytes ?? DEFAULT_MAX_LAYER_BYTES);
    try {
      const signal = this.#signal === undefined ? {} : { signal: this.#signal };
      await this.#context.layers.add(diffId, archive, signal);
    } catch (error) {
      // A driver may see no more than that the archive ends too early.
      throw archive.failure ?? error;
    }
  }
}

async function drain(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of chunks);
}
