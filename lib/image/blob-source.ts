import type { Descriptor } from './descriptor.js';
import type { BlobPrefix } from './registry/blob-download.js';

/** Where content comes from: a registry, an OCI layout. */
export interface BlobSource {
  /**
   * The bytes of a blob, from `from.offset` on. Whether they are what the digest says is seen at their end: by the source, which
   * then throws `ERR_DIGEST_MISMATCH`, or by whoever stores them.
   */
  blob(
    descriptor: Descriptor,
    options: { readonly from?: BlobPrefix; readonly signal?: AbortSignal | undefined },
  ): AsyncIterable<Uint8Array>;
  /** The verified bytes of a manifest or an index. */
  manifest(descriptor: Descriptor, signal: AbortSignal | undefined): Promise<Uint8Array>;
}
