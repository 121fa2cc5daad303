import { throwIfAborted } from '../shared/abort.js';
import { writeNewArchive } from './archive/appear.js';
import { decompress } from './decompress.js';
import type { ImageContext } from './image-context.js';
import { planParts } from './image-parts.js';
import type { StoredImage } from './stored-image.js';

/** Makes one archive of those of several layers, bottom first. */
export type Flatten = (
  archives: readonly AsyncIterable<Uint8Array>[],
  signal: AbortSignal | undefined,
) => AsyncIterable<Uint8Array>;

/**
 * Writes the root file system of an image, all its layers merged, as one tar archive: a file that appears whole or not at all,
 * or what goes into a stream, which is ended with the archive and destroyed with a failure.
 *
 * @throws CloisterError `ERR_INVALID_OPTION` for a path that cannot be written to, `ERR_NOT_FOUND` when layers are not here,
 * `ERR_DIGEST_MISMATCH` for what is damaged, `ERR_KERNEL` for a full disk, `ERR_ABORTED`.
 */
export async function exportImage(
  context: ImageContext,
  image: StoredImage,
  target: string | NodeJS.WritableStream,
  flatten: Flatten,
  signal: AbortSignal | undefined,
): Promise<void> {
  throwIfAborted(signal, 'exporting an image');
  using lease = context.content.lease();
  const { record, manifest } = image;
  await planParts(context, lease, { ...image, record: { ...record, target: record.manifest } });
  const archives = manifest.layers.map(({ digest }) =>
    decompress(context.content.read(digest, { verify: true, signal })),
  );
  await writeNewArchive(target, signal, (drain) => drain(flatten(archives, signal)));
}
