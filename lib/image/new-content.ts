import type { Digest } from '../shared/digest.js';
import type { ImageContext } from './image-context.js';
import { rootsOf } from './image-names.js';
import { Claim } from './lease.js';
import { reachableFrom } from './reachable.js';

/**
 * What one operation brings into the store. When it fails, it takes that back, once its lease is disposed: nothing goes that was
 * there before, that a name leads to by then, or that anybody uses.
 */
export class NewContent {
  readonly #context: ImageContext;
  readonly #blobs = new Set<Digest>();
  readonly #layers = new Set<Digest>();

  constructor(context: ImageContext) {
    this.#context = context;
  }

  /** To be called before they are written, or a part of them. */
  async expectBlobs(blobs: readonly { readonly digest: Digest }[]): Promise<void> {
    for (const { digest } of blobs) if (!(await this.#context.content.has(digest))) this.#blobs.add(digest);
  }

  /** To be called before they are unpacked. */
  async expectLayers(diffIds: readonly Digest[]): Promise<void> {
    for (const diffId of diffIds) if (!(await this.#context.layers.has(diffId))) this.#layers.add(diffId);
  }

  /** A blob that was written just now, without its digest being known before. */
  addBlob(digest: Digest): void {
    this.#blobs.add(digest);
  }

  /** Does not heed the abort that may have ended the operation. */
  async takeBack(): Promise<void> {
    const { content, names, layers } = this.#context;
    using claim = new Claim(content.locks);
    const garbage: Digest[] = [];
    {
      using _lock = await names.lock();
      const wanted = await reachableFrom(this.#context, (await names.list()).flatMap(rootsOf));
      await content.discard(this.#blobs, (digest) => wanted.blobs.has(digest));
      for (const diffId of this.#layers) {
        if (!wanted.layers.has(diffId) && claim.take('layer', diffId)) garbage.push(diffId);
      }
    }
    for (const diffId of garbage) await layers.remove(diffId);
  }
}
