import { CloisterError } from '../errors.js';
import type { Digest } from '../shared/digest.js';
import type { Snapshotter, StoredLayer } from '../shared/snapshotter.js';
import type { ImageContext } from './image-context.js';
import { rootsOf, type ImageRecord } from './image-names.js';
import { Claim } from './lease.js';
import { reachableFrom, type Reachable } from './reachable.js';

/** What a removal has taken away; empty lists for what something else still leads to. */
export interface RemovedContent {
  /** Names that are gone, in full. */
  readonly references: readonly string[];
  readonly blobs: readonly Digest[];
  /** Unpacked layers, by the digest of their uncompressed archives. */
  readonly layers: readonly Digest[];
  /** What was freed. */
  readonly bytes: number;
}

interface GarbageOptions {
  /** Also downloads that broke off. Default: only those of long ago. */
  readonly partials?: boolean;
  /**
   * Also what other storage drivers have unpacked of images that have a name and are stored, and what a crash left half-made.
   * Default: false.
   */
  readonly copies?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** One copy of an unpacked layer that may be removed. */
interface GarbageLayer extends StoredLayer {
  readonly from: Pick<Snapshotter, 'remove'>;
}

/**
 * Unpacked layers that no name leads to, and on request copies of other storage drivers that can be made again of what is
 * stored. All of them are claimed: nobody uses them.
 */
async function garbageLayers(
  { content, layers, leftovers }: ImageContext,
  wanted: Reachable,
  claim: Claim,
  takesCopies: boolean,
): Promise<readonly GarbageLayer[]> {
  const canGo = async (layer: Digest): Promise<boolean> => {
    const blob = wanted.layers.get(layer);
    return takesCopies && blob !== undefined && (await content.has(blob));
  };
  const found: GarbageLayer[] = [];
  for (const each of await layers.list()) {
    if (!wanted.layers.has(each.layer) && claim.take('layer', each.layer)) found.push({ ...each, from: layers });
  }
  for (const each of await leftovers.list()) {
    const isGarbage = !wanted.layers.has(each.layer) || (await canGo(each.layer));
    if (isGarbage && claim.take('layer', each.layer)) found.push({ ...each, from: leftovers });
  }
  return found;
}

/**
 * Removes what no name leads to and nobody uses: blobs and unpacked layers, whichever storage driver has unpacked them. What a
 * running pull, push or sandbox of any process uses stays until the next collection.
 */
export async function collectGarbage(
  context: ImageContext,
  { partials = false, copies = false, signal }: GarbageOptions = {},
): Promise<Omit<RemovedContent, 'references'>> {
  const { content, names, leftovers } = context;
  using claim = new Claim(content.locks);
  let freed, garbage;
  {
    using _lock = await names.lock(signal);
    await names.sweep();
    const wanted = await reachableFrom(context, (await names.list()).flatMap(rootsOf));
    freed = await content.collect((digest) => wanted.blobs.has(digest), { partials });
    garbage = await garbageLayers(context, wanted, claim, copies);
  }
  // Nobody can begin to use them while they are claimed, so names may change again: removing many files takes seconds.
  for (const { layer, from } of garbage) await from.remove(layer);
  if (copies) await leftovers.sweep((layer) => claim.take('layer', layer));
  const bytes = garbage.reduce((sum, each) => sum + each.bytes, freed.bytes);
  return { blobs: freed.blobs, layers: [...new Set(garbage.map(({ layer }) => layer))], bytes };
}

/** Whether a running sandbox holds one of the images that only this name leads to. The claim keeps new ones away. */
async function isInUse(context: ImageContext, record: ImageRecord, others: readonly ImageRecord[], claim: Claim) {
  const elsewhere = await reachableFrom(context, others.flatMap(rootsOf));
  const own = await reachableFrom(context, rootsOf(record));
  return own.manifests
    .map(({ descriptor }) => descriptor.digest)
    .filter((digest) => !elsewhere.blobs.has(digest))
    .some((digest) => !claim.take('image', digest));
}

export interface RemoveOptions {
  /** Removes the name of an image that sandboxes run; what they use stays until they end. Default: false. */
  readonly force?: boolean;
  /** Only when the name stands for this image. */
  readonly manifest?: Digest | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Removes a name, and what then nothing leads to any more.
 *
 * @param reference - in full.
 * @throws CloisterError `ERR_IMAGE_NOT_FOUND`, `ERR_IMAGE_IN_USE` for an image that a sandbox of any process runs.
 */
export async function removeImage(
  context: ImageContext,
  reference: string,
  { force = false, manifest, signal }: RemoveOptions = {},
): Promise<RemovedContent> {
  {
    using _lock = await context.names.lock(signal);
    const records = await context.names.list();
    const record = records.find((each) => each.reference === reference);
    if (record === undefined) {
      throw new CloisterError('ERR_IMAGE_NOT_FOUND', `there is no image ${reference} on this machine`, {
        subject: reference,
      });
    }
    if (manifest !== undefined && record.manifest.digest !== manifest) {
      throw new CloisterError('ERR_IMAGE_NOT_FOUND', `${reference} does not stand for ${manifest} any more`, {
        subject: reference,
        hint: 'give the name as a text to remove what it stands for now',
      });
    }
    using claim = new Claim(context.content.locks);
    const others = records.filter((each) => each !== record);
    if (!force && (await isInUse(context, record, others, claim))) {
      throw new CloisterError('ERR_IMAGE_IN_USE', `a running sandbox uses the image ${reference}`, {
        subject: reference,
        hint: 'remove the sandbox first, or remove the name alone with { force: true }',
      });
    }
    await context.names.delete(reference);
  }
  return { references: [reference], ...(await collectGarbage(context, { signal })) };
}

export interface PruneOptions {
  /** Also images that have a name and that no sandbox runs, and downloads that broke off. Default: false. */
  readonly all?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Removes what no name leads to, what other storage drivers left and what never was whole; with `all` whatever no sandbox uses. */
export async function pruneImages(
  context: ImageContext,
  { all = false, signal }: PruneOptions = {},
): Promise<RemovedContent> {
  const references: string[] = [];
  if (all) {
    using _lock = await context.names.lock(signal);
    for (const record of await context.names.list()) {
      using claim = new Claim(context.content.locks);
      if (await isInUse(context, record, [], claim)) continue;
      await context.names.delete(record.reference);
      references.push(record.reference);
    }
  }
  return { references, ...(await collectGarbage(context, { partials: all, copies: true, signal })) };
}
