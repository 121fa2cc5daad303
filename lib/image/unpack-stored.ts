import { CloisterError } from '../errors.js';
import { Acquisition } from './acquire.js';
import type { BlobSource } from './blob-source.js';
import type { Descriptor } from './descriptor.js';
import type { ImageContext } from './image-context.js';
import type { Lease } from './lease.js';
import type { StoredImage } from './stored-image.js';

/** Where nothing comes from: all of an image must be here already. @param subject - the image's name. */
export function storedOnly(subject: string): BlobSource {
  const missing = ({ digest }: Descriptor): CloisterError =>
    new CloisterError('ERR_NOT_FOUND', `${subject}: ${digest} is not on this machine`, {
      subject,
      hint: 'pull or load the image again',
    });
  return {
    // eslint-disable-next-line require-yield
    blob: async function* (descriptor) {
      throw missing(descriptor);
    },
    manifest: (descriptor) => Promise.reject(missing(descriptor)),
  };
}

/**
 * Unpacks what of an image is stored and not unpacked: it came for another storage driver.
 *
 * @returns what keeps the layers until it is disposed.
 * @throws CloisterError `ERR_NOT_FOUND` when it is not stored either, `ERR_LAYER_INVALID`, `ERR_KERNEL`, `ERR_ABORTED`
 */
export async function unpackStored(
  context: ImageContext,
  { record, manifest, config }: StoredImage,
  signal?: AbortSignal,
): Promise<Lease> {
  const { reference } = record;
  const lease = context.content.lease();
  try {
    for (const diffId of config.diffIds) await lease.use('layer', diffId, signal);
    const areHere = await Promise.all(config.diffIds.map((diffId) => context.layers.has(diffId)));
    if (areHere.includes(false)) {
      const options = { skipUnpacked: true, signal };
      const source = storedOnly(reference);
      await new Acquisition({ context, lease, source, options, subject: reference }).layers(manifest, config);
    }
    return lease;
  } catch (error) {
    lease[Symbol.dispose]();
    throw error;
  }
}
