import { createHash } from 'node:crypto';
import type { Digest } from '../../shared/digest.js';
import type { BlobSource } from '../blob-source.js';
import { detectCompression } from '../decompress.js';
import { makeDescriptor, type Descriptor } from '../descriptor.js';
import { MAX_CONFIG_BYTES, parseImageConfig } from '../image-config.js';
import { MEDIA_TYPE, type Compression } from '../media-types.js';
import { manifestBytes } from '../write-documents.js';
import type { DockerImage } from './docker-manifest.js';
import { invalidArchive, readDocument, requireFile, type ArchiveFile } from './files.js';
import { wrongBlob } from './oci-source.js';
import type { TarFiles } from './tar-files.js';

const LAYER_TYPES: Readonly<Record<Compression, string>> = {
  none: MEDIA_TYPE.ociLayer,
  gzip: MEDIA_TYPE.ociLayerGzip,
  zstd: MEDIA_TYPE.ociLayerZstd,
};

const MAGIC_BYTES = 6;

function sha256(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Documents and layers of an image of a Docker archive, as OCI has them. */
export interface DockerParts {
  readonly config: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
  readonly manifest: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
  readonly source: BlobSource;
}

async function startOf(file: ArchiveFile, signal: AbortSignal | undefined): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of file.read(0, signal)) {
    chunks.push(chunk.subarray(0, MAGIC_BYTES));
    bytes += chunk.length;
    if (bytes >= MAGIC_BYTES) break;
  }
  return Buffer.concat(chunks);
}

async function digestOf(file: ArchiveFile, signal: AbortSignal | undefined): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const chunk of file.read(0, signal)) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}

/**
 * A plain layer is the archive that the configuration promises; whether it is, is seen when it is read. Of a compressed one
 * nobody says what digest its file has.
 */
async function describe(
  files: TarFiles,
  file: ArchiveFile,
  diffId: Digest,
  signal: AbortSignal | undefined,
): Promise<Descriptor> {
  const compression = detectCompression(await startOf(file, signal));
  if (compression === 'xz' || compression === 'bzip2')
    throw invalidArchive(files.subject, `${file.name} is compressed with ${compression}`, {
      hint: 'plain, gzip and zstd layers are supported',
    });
  const digest = compression === 'none' ? diffId : await digestOf(file, signal);
  return makeDescriptor({ mediaType: LAYER_TYPES[compression], digest, size: file.size });
}

/**
 * Reads what an image of a Docker archive consists of; its layers are not read yet, unless they are compressed.
 *
 * @throws CloisterError `ERR_IMAGE_INVALID`, `ERR_DIGEST_MISMATCH`
 */
export async function readDockerImage(
  files: TarFiles,
  image: DockerImage,
  signal: AbortSignal | undefined,
): Promise<DockerParts> {
  const find = (name: string): Promise<ArchiveFile> => requireFile(files, files.follow(name));
  const configFile = await find(image.config);
  const bytes = await readDocument(files, configFile, signal, MAX_CONFIG_BYTES);
  const digest = sha256(bytes);
  if (image.configDigest !== undefined && image.configDigest !== digest)
    throw wrongBlob(files.subject, configFile.name, `has the digest ${digest}`);
  const { diffIds } = parseImageConfig(bytes, image.layers.length, `${files.subject}: ${image.config}`);
  const byDigest = new Map<Digest, ArchiveFile>();
  const layers: Descriptor[] = [];
  for (const [index, name] of image.layers.entries()) {
    const file = await find(name);
    const descriptor = await describe(files, file, diffIds[index] as Digest, signal);
    const other = byDigest.get(descriptor.digest);
    if (other !== undefined && other.size !== file.size)
      throw wrongBlob(files.subject, file.name, `is not the same as ${other.name}`);
    byDigest.set(descriptor.digest, file);
    layers.push(descriptor);
  }
  const config = makeDescriptor({ mediaType: MEDIA_TYPE.ociConfig, digest, size: bytes.length });
  const manifest = manifestBytes(config, layers);
  return {
    config: { descriptor: config, bytes },
    manifest: {
      descriptor: makeDescriptor({
        mediaType: MEDIA_TYPE.ociManifest,
        digest: sha256(manifest),
        size: manifest.length,
      }),
      bytes: manifest,
    },
    source: {
      blob: async function* (descriptor, { from, signal: stop }) {
        const file = byDigest.get(descriptor.digest);
        if (file === undefined) throw invalidArchive(files.subject, `${descriptor.digest} is missing`);
        yield* file.read(from?.offset ?? 0, stop);
      },
      manifest: () => Promise.reject(invalidArchive(files.subject, 'a Docker archive has no manifests')),
    },
  };
}
