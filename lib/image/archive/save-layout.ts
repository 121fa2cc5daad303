import type { Digest } from '../../shared/digest.js';
import { makeDescriptor, type Descriptor } from '../descriptor.js';
import type { ImageContext } from '../image-context.js';
import { planParts, type ImageParts } from '../image-parts.js';
import type { Lease } from '../lease.js';
import type { Platform } from '../platform.js';
import { parseReference } from '../reference.js';
import type { StoredImage } from '../stored-image.js';
import { indexBytes } from '../write-documents.js';
import { FULL_NAME, REF_NAME } from './names.js';
import { blobName, OCI_LAYOUT } from './oci-layout.js';
import { toOciDocuments, type LayoutDocument } from './to-oci.js';
import { once, whileWanted, type FileSink } from './write-files.js';

/** What writes images in one of the formats works with. */
export interface SaveWork {
  readonly context: ImageContext;
  /** Keeps what is written. */
  readonly lease: Lease;
  readonly images: readonly StoredImage[];
  readonly sink: FileSink;
  readonly platform: Platform | undefined;
  readonly signal: AbortSignal | undefined;
}

/** In full in both: some tools look for one, some for the other. A name by digest is none that one could load it by. */
function annotationsOf(reference: string): Readonly<Record<string, string>> {
  return parseReference(reference).digest === undefined ? { [FULL_NAME]: reference, [REF_NAME]: reference } : {};
}

/** Each blob once, whichever images it belongs to. */
class BlobFiles {
  readonly #work: SaveWork;
  readonly #written = new Set<Digest>();

  constructor(work: SaveWork) {
    this.#work = work;
  }

  async write({ digest, size }: Descriptor, bytes?: Uint8Array): Promise<void> {
    if (this.#written.has(digest)) return;
    this.#written.add(digest);
    const { context, sink, signal } = this.#work;
    const chunks = bytes === undefined ? context.content.read(digest, { verify: true, signal }) : once(bytes);
    await sink.file(blobName(digest), size, whileWanted(chunks, signal));
  }
}

/**
 * Writes images as an OCI layout. An index goes as it is when all of it is here, so that one archive serves several platforms.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 */
export async function saveLayout(work: SaveWork): Promise<void> {
  const { context, lease, images, sink, platform } = work;
  const blobs = new BlobFiles(work);
  const roots = new Map<string, Descriptor>();
  const planned: { image: StoredImage; parts: ImageParts; documents: readonly LayoutDocument[] }[] = [];
  for (const image of images) {
    const parts = await planParts(context, lease, image, platform);
    planned.push({ image, parts, documents: await toOciDocuments(context, parts) });
  }
  await sink.file(OCI_LAYOUT.marker, MARKER.length, once(MARKER));
  for (const { image, parts, documents } of planned) {
    for (const descriptor of [...parts.configs, ...parts.layers]) await blobs.write(descriptor);
    for (const { descriptor, bytes } of documents) await blobs.write(descriptor, bytes);
    const root = documents.at(-1)?.descriptor ?? parts.root;
    const annotations = annotationsOf(image.record.reference);
    roots.set(`${root.digest} ${annotations[FULL_NAME] ?? ''}`, makeDescriptor({ ...root, annotations }));
  }
  const index = indexBytes([...roots.values()]);
  await sink.file(OCI_LAYOUT.index, index.length, once(index));
}

const MARKER = Buffer.from(JSON.stringify({ imageLayoutVersion: OCI_LAYOUT.version }));
