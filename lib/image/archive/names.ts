import { basename } from 'node:path';
import { CloisterError } from '../../errors.js';
import type { Digest } from '../../shared/digest.js';
import { parseReference, withDigest, withTag, type Reference } from '../reference.js';
import { invalidArchive } from './files.js';

/** OCI image specification, annotations: what a layout calls an image, often its tag alone. */
export const REF_NAME = 'org.opencontainers.image.ref.name';
/** Always in full; containerd and Docker write and read it. */
export const FULL_NAME = 'io.containerd.image.name';

const TAG = /^\w[\w.-]{0,127}$/;

/** What an archive calls an image: by its whole name, by a tag alone, or not at all. */
export type ArchiveName =
  | { readonly kind: 'full'; readonly reference: Reference }
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'none' };

/** @throws CloisterError `ERR_IMAGE_INVALID` */
export function parseArchiveName(subject: string, text: string): ArchiveName {
  try {
    return { kind: 'full', reference: parseReference(text) };
  } catch (cause) {
    if (!CloisterError.is(cause)) throw cause;
    throw invalidArchive(subject, `it names an image ${JSON.stringify(text.slice(0, 120))}: ${cause.message}`, {
      cause,
    });
  }
}

/**
 * What a layout calls an image. The specification's annotation decides; where it is a tag, the other one may tell the rest, unless
 * it is left over from another image: umoci copies what it does not know.
 *
 * @throws CloisterError `ERR_IMAGE_INVALID`
 */
export function nameOf(subject: string, annotations: Readonly<Record<string, string>>): ArchiveName {
  const own = (key: string): string | undefined => (Object.hasOwn(annotations, key) ? annotations[key] : undefined);
  const [name, full] = [own(REF_NAME), own(FULL_NAME)];
  if (name !== undefined && !TAG.test(name)) return parseArchiveName(subject, name);
  const whole = full === undefined ? undefined : parseArchiveName(subject, full);
  if (name === undefined) return whole ?? { kind: 'none' };
  return whole?.kind === 'full' && whole.reference.tag === name ? whole : { kind: 'tag', tag: name };
}

/** Where images go whose archive gives them no name: `localhost/` and the name of the file. */
export function defaultRepository(path: string): Reference {
  const stem = basename(path).replace(/(?:\.(?:tar|tgz|oci|docker|gz|zst|zstd))+$/i, '');
  const name = stem
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((part) => part !== '')
    .join('-');
  return parseReference(`localhost/${name === '' ? 'image' : name.slice(0, 100)}`);
}

/**
 * The name that a loaded image gets.
 *
 * @param repository - for images that have no whole name.
 * @param digests - what a name by digest may stand for: the first is what is taken when there is no tag.
 * @throws CloisterError `ERR_IMAGE_INVALID` for a digest that is not the image's.
 */
export function resolveName(
  subject: string,
  name: ArchiveName,
  repository: Reference,
  digests: readonly [Digest, ...Digest[]],
): Reference {
  if (name.kind === 'tag') return withTag(repository, name.tag);
  if (name.kind === 'none') return withDigest(repository, digests[0]);
  const { reference } = name;
  if (reference.digest === undefined || digests.includes(reference.digest)) return reference;
  throw invalidArchive(subject, `it names an image ${reference.toString()} that has the digest ${digests[0]}`);
}
