import { makeDescriptor, type Descriptor } from '../../lib/image/descriptor.js';
import { Acquisition } from '../../lib/image/acquire.js';
import { parseReference } from '../../lib/image/reference.js';
import { storedOnly } from '../../lib/image/unpack-stored.js';
import { Image, type Host } from '../../lib/index.js';
import type { TestImage } from './test-image.js';

/** Puts an image into a host's store, as if it had been pulled: with an index, if there is one, and images for other platforms. */
export async function importTestImage(
  host: Host,
  image: TestImage,
  name: string,
  more: { index?: { descriptor: Descriptor; bytes: Uint8Array }; others?: readonly TestImage[] } = {},
): Promise<Image> {
  await host.images.use('importing', undefined, async ({ context }) => {
    using lease = context.content.lease();
    for (const each of [image, ...(more.others ?? [])])
      for (const [digest, bytes] of each.blobs) await context.content.put(lease, bytes, digest);
    if (more.index !== undefined) await context.content.put(lease, more.index.bytes, more.index.descriptor.digest);
    const acquisition = new Acquisition({ context, lease, source: storedOnly(name), options: {}, subject: name });
    const { manifest } = await context.documents.manifest(image.manifest);
    if (manifest.kind !== 'manifest') throw new TypeError('no image');
    await acquisition.layers(manifest, await context.documents.config(manifest));
    await context.names.put({
      reference: parseReference(name).toString(),
      target: makeDescriptor(more.index?.descriptor ?? image.manifest),
      manifest: image.manifest,
      updated: Date.now(),
    });
  });
  return Image.get(name, { host });
}
