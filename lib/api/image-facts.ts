import type { HistoryEntry } from '../image/image-config.js';
import type { ImageContext } from '../image/image-context.js';
import { MAX_MANIFEST_BYTES } from '../image/manifest.js';
import { formatPlatform } from '../image/platform.js';
import type { StoredImage } from '../image/stored-image.js';
import type { Digest } from '../shared/digest.js';

/** One layer of an image. */
export interface ImageLayer {
  /** As it is stored and sent. */
  readonly digest: Digest;
  /** Of its uncompressed archive. */
  readonly diffId: Digest;
  readonly mediaType: string;
  /** Bytes, as it is stored and sent. */
  readonly size: number;
}

/** One step of how an image was made, and what came of it. */
export interface ImageHistoryEntry extends HistoryEntry {
  /** Undefined when it changed no file, or its layer is not known. */
  readonly layer: ImageLayer | undefined;
}

/** One image of those that a name stands for. */
export interface ImagePlatform {
  /** As `'linux/arm64'`; undefined where nobody says. */
  readonly platform: string | undefined;
  readonly digest: Digest;
  /** Its manifest is on this machine. */
  readonly isHere: boolean;
}

/** Everything that is known of an image. */
export interface ImageDetails {
  readonly reference: string;
  /** Its other names on this machine, in full. */
  readonly aliases: readonly string[];
  readonly digest: Digest;
  readonly target: Digest;
  readonly mediaType: string;
  readonly size: number;
  readonly platform: string;
  /** All that the name stands for; the image alone, where there is no index. */
  readonly platforms: readonly ImagePlatform[];
  readonly layers: readonly ImageLayer[];
  /** Documents as they were written, with the fields that this library does not know. */
  readonly documents: {
    readonly index: object | undefined;
    readonly manifest: object;
    readonly config: object;
  };
}

export function layersOf({ manifest, config }: StoredImage): readonly ImageLayer[] {
  return Object.freeze(
    manifest.layers.flatMap(({ digest, mediaType, size }, index) => {
      const diffId = config.diffIds[index];
      return diffId === undefined ? [] : [Object.freeze({ digest, diffId, mediaType, size })];
    }),
  );
}

/** Bytes of all that the image consists of, as it is stored and sent. */
export function sizeOf({ record, manifest }: StoredImage): number {
  return [record.manifest, manifest.config, ...manifest.layers].reduce((sum, { size }) => sum + size, 0);
}

/** Oldest first. Where there are fewer steps than layers, the steps are those of the last ones. */
export function historyOf(image: StoredImage): readonly ImageHistoryEntry[] {
  const layers = layersOf(image);
  const { history } = image.config;
  let next = layers.length - history.filter(({ isEmptyLayer }) => !isEmptyLayer).length;
  return Object.freeze(
    history.map((entry) => Object.freeze({ ...entry, layer: entry.isEmptyLayer ? undefined : layers[next++] })),
  );
}

async function platformsOf(context: ImageContext, image: StoredImage): Promise<readonly ImagePlatform[]> {
  const { target, manifest, reference } = image.record;
  const isIndex = target.digest !== manifest.digest && (await context.content.has(target.digest));
  const root = isIndex ? (await context.documents.manifest(target, reference)).manifest : undefined;
  if (root?.kind !== 'index')
    return [{ platform: formatPlatform(image.config.platform), digest: manifest.digest, isHere: true }];
  return Promise.all(
    root.manifests.map(async ({ platform, digest }) => ({
      platform: platform === undefined ? undefined : formatPlatform(platform),
      digest,
      isHere: await context.content.has(digest),
    })),
  );
}

export async function detailsOf(context: ImageContext, image: StoredImage): Promise<ImageDetails> {
  const { record, manifest, config } = image;
  const { reference, target } = record;
  const isSame = (each: typeof record): boolean =>
    each.reference !== reference && each.manifest.digest === record.manifest.digest;
  const read = async (digest: Digest): Promise<object> =>
    JSON.parse((await context.content.readAll(digest, MAX_MANIFEST_BYTES)).toString()) as object;
  const hasIndex = target.digest !== record.manifest.digest && (await context.content.has(target.digest));
  return {
    reference,
    aliases: (await context.names.list()).filter(isSame).map((each) => each.reference),
    digest: record.manifest.digest,
    target: target.digest,
    mediaType: record.manifest.mediaType,
    size: sizeOf(image),
    platform: formatPlatform(config.platform),
    platforms: await platformsOf(context, image),
    layers: layersOf(image),
    documents: {
      index: hasIndex ? await read(target.digest) : undefined,
      manifest: await read(record.manifest.digest),
      config: JSON.parse((await context.documents.configBytes(manifest.config.digest)).toString()) as object,
    },
  };
}
