import type { BlobSource } from './blob-source.js';
import type { BlobWriter } from './blob-writer.js';
import type { Descriptor } from './descriptor.js';
import { isMismatch } from './damage.js';
import type { Lease } from './lease.js';
import { canComeFromElsewhere } from './registry/distrust.js';

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
  /** How many bytes there are, those of an earlier try included. */
  readonly onBytes?: (bytes: number) => void;
}

/**
 * The bytes of a blob while they are stored: those of an earlier try first, then those of the source. When the loop comes to its
 * end, the blob is in the store. When it does not, what came so far is kept, unless it is known to be wrong.
 */
export async function* fetchChunks(
  writer: BlobWriter,
  source: BlobSource,
  descriptor: Descriptor,
  { signal, onBytes }: FetchOptions,
): AsyncGenerator<Uint8Array> {
  onBytes?.(writer.bytes);
  yield* writer.kept();
  try {
    for await (const chunk of source.blob(descriptor, { from: writer.prefix, signal })) {
      // Both go on at the same time: the disk takes what the reader has not looked at yet.
      const written = writer.write(chunk);
      written.catch(() => undefined);
      onBytes?.(writer.bytes);
      yield chunk;
      await written;
    }
    await writer.commit();
  } catch (error) {
    if (isMismatch(error)) await writer.discard();
    throw error;
  }
}

/**
 * Runs something that fetches a blob; once more, from the beginning, when the part that an earlier try left turns out to be
 * damaged, or what a mirror gave, as long as there is another place to get it from.
 */
export async function withFreshStart(
  openWriter: () => Promise<BlobWriter | undefined>,
  fetch: (writer: BlobWriter) => Promise<void>,
): Promise<boolean> {
  for (;;) {
    await using writer = await openWriter();
    if (writer === undefined) return false;
    try {
      await fetch(writer);
      return true;
    } catch (error) {
      if (!isMismatch(error) || (writer.resumedBytes === 0 && !canComeFromElsewhere(error))) throw error;
    }
  }
}

/** Makes sure that a blob is in the store; does not read it. */
export async function fetchBlob(
  lease: Lease,
  source: BlobSource,
  descriptor: Descriptor,
  options: FetchOptions = {},
): Promise<void> {
  await withFreshStart(
    () => lease.writer(descriptor, options.signal),
    async (writer) => {
      for await (const _ of fetchChunks(writer, source, descriptor, options));
    },
  );
}
