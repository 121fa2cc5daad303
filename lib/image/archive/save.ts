import { throwIfAborted } from '../../shared/abort.js';
import type { ImageContext } from '../image-context.js';
import type { Platform } from '../platform.js';
import type { StoredImage } from '../stored-image.js';
import { writeNewArchive, writeNewDirectory } from './appear.js';
import { saveDocker } from './save-docker.js';
import { saveLayout } from './save-layout.js';
import { DirectorySink, TarSink, type FileSink } from './write-files.js';

export interface SaveOptions {
  /** `'oci'`: an OCI layout; `'docker'`: what `docker load` takes. */
  readonly format: 'oci' | 'docker';
  /** An OCI layout as a directory instead of a tar archive. */
  readonly directory: boolean;
  /** Only the image for this platform. */
  readonly platform?: Platform | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes images to one archive, or to a directory. It appears under its name when it is whole and on disk; a failure or an abort
 * leaves nothing. A stream is ended with the archive, and destroyed with a failure. Blobs are checked against their digests on the way.
 *
 * @throws CloisterError `ERR_INVALID_OPTION` for a path that cannot be written to, `ERR_NOT_FOUND` when layers are not here,
 * `ERR_PLATFORM_NOT_FOUND`, `ERR_DIGEST_MISMATCH` for what is damaged, `ERR_KERNEL` for a full disk, `ERR_ABORTED`.
 */
export async function saveImages(
  context: ImageContext,
  images: readonly StoredImage[],
  target: string | NodeJS.WritableStream,
  options: SaveOptions,
): Promise<void> {
  throwIfAborted(options.signal, 'saving images');
  using lease = context.content.lease();
  const save = async (sink: FileSink): Promise<void> => {
    const write = options.format === 'oci' ? saveLayout : saveDocker;
    await write({ context, lease, images, sink, platform: options.platform, signal: options.signal });
    await sink.finish();
  };
  if (options.directory && typeof target === 'string')
    await writeNewDirectory(target, (directory) => save(new DirectorySink(directory)));
  else await writeNewArchive(target, options.signal, (drain) => save(new TarSink(drain)));
}
