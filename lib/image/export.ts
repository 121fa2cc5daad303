import { throwIfAborted } from '../shared/abort.js';
import { writeNewFile } from './archive/appear.js';
import { FileAppender } from './blob-file.js';
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
 * Writes the root file system of an image, all its layers merged, as one tar archive that appears whole or not at all.
 *
 * @throws CloisterError `ERR_INVALID_OPTION` for a path that cannot be written to, `ERR_NOT_FOUND` when layers are not here,
 * `ERR_DIGEST_MISMATCH` for what is damaged, `ERR_KERNEL` for a full disk, `ERR_ABORTED`.
 */
export async function exportImage(
  context: ImageContext,
  image: StoredImage,
  path: string,
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
  await writeNewFile(path, async (file) => {
    const output = new FileAppender(file, 0);
    try {
      for await (const chunk of flatten(archives, signal)) await output.write(chunk);
      await output.flush();
      await file.sync();
    } finally {
      await output.settle();
    }
  });
}
