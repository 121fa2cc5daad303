import { splitDigest, type Digest } from '../../shared/digest.js';
import type { Descriptor } from '../descriptor.js';
import { asText, own, parseJson, refuse } from '../json-fields.js';
import { parseManifest } from '../manifest.js';
import { isManifestType, MEDIA_TYPE } from '../media-types.js';
import { platformRank } from '../platform-match.js';
import type { Platform } from '../platform.js';
import { nameOf, type ArchiveName } from './names.js';

/** @see https://github.com/opencontainers/image-spec/blob/main/image-layout.md */
export const OCI_LAYOUT = { marker: 'oci-layout', index: 'index.json', version: '1.0.0' } as const;

const MAX_MARKER_BYTES = 4096;
const MAX_IMAGES = 1024;

/** An image of a layout, by one name. */
export interface LayoutImage {
  readonly name: ArchiveName;
  /** What the name stands for. */
  readonly root: Descriptor;
}

export function blobName(digest: Digest): string {
  return ['blobs', ...splitDigest(digest)].join('/');
}

/** @throws CloisterError `ERR_IMAGE_INVALID` for what is no marker, or that of a layout of another kind. */
export function checkMarker(subject: string, bytes: Uint8Array): void {
  const where = `${subject}: ${OCI_LAYOUT.marker}`;
  const fields = parseJson(where, bytes, MAX_MARKER_BYTES);
  const version = asText(`${where}.imageLayoutVersion`, own(fields, 'imageLayoutVersion'), 64);
  if (!/^1\./.test(version)) refuse(`${where}.imageLayoutVersion`, `'${OCI_LAYOUT.version}'`, version);
}

function keyOf(name: ArchiveName): string {
  if (name.kind === 'full') return name.reference.toString();
  return name.kind === 'tag' ? `tag ${name.tag}` : '';
}

/** Of several images by one name, that of the platform; images without a name are each one of their own. */
function choose(subject: string, group: readonly LayoutImage[], machine: Platform): readonly LayoutImage[] {
  const isRunnable = ({ root }: LayoutImage): boolean =>
    root.platform === undefined || platformRank(machine, root.platform) !== undefined;
  const runnable = group.filter(isRunnable);
  if (group.length < 2 || runnable.length === 0) return group.slice(0, 1);
  if (runnable[0]?.name.kind === 'none' || runnable.length === 1) return runnable;
  const ranked = runnable.map((image) => ({ image, rank: rankOf(image, machine) })).sort((a, b) => a.rank - b.rank);
  const [first, second] = ranked;
  if (first === undefined || first.rank === second?.rank)
    return refuse(
      `${subject}: ${OCI_LAYOUT.index}`,
      'names of one image each',
      keyOf(group[0]?.name ?? { kind: 'none' }),
    );
  return [first.image];
}

function rankOf({ root }: LayoutImage, machine: Platform): number {
  return root.platform === undefined ? Infinity : (platformRank(machine, root.platform) ?? Infinity);
}

/**
 * The images that a layout's `index.json` names, as this machine would take them: of several for one name, the best.
 *
 * @throws CloisterError `ERR_IMAGE_INVALID` for what is no index, names nothing, or one name twice.
 */
export function parseLayoutIndex(subject: string, bytes: Uint8Array, machine: Platform): readonly LayoutImage[] {
  const where = `${subject}: ${OCI_LAYOUT.index}`;
  const index = parseManifest(bytes, MEDIA_TYPE.ociIndex, where);
  if (index.kind !== 'index') return refuse(where, 'an index', index.mediaType);
  const images = index.manifests
    .filter(({ mediaType }) => isManifestType(mediaType))
    .map((root): LayoutImage => ({ name: nameOf(subject, root.annotations), root }));
  if (images.length === 0) return refuse(`${where}.manifests`, 'an image', index.manifests.length);
  if (images.length > MAX_IMAGES) return refuse(`${where}.manifests`, `at most ${MAX_IMAGES} images`, images.length);
  const groups = new Map<string, LayoutImage[]>();
  for (const image of images) {
    const group = groups.get(keyOf(image.name)) ?? [];
    // The same twice says nothing new.
    if (!group.some(({ root }) => root.digest === image.root.digest)) group.push(image);
    groups.set(keyOf(image.name), group);
  }
  return [...groups.values()].flatMap((group) => choose(subject, group, machine));
}
