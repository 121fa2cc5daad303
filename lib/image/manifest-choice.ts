import { CloisterError } from '../errors.js';
import type { Descriptor } from './descriptor.js';
import type { ImageManifest, Manifest } from './manifest.js';
import { choosePlatform } from './platform-match.js';
import type { Platform } from './platform.js';

/** An index of indexes is rare, deeper ones are attacks. */
const MAX_DEPTH = 4;

/** A manifest together with what names it. */
export interface NamedManifest<M extends Manifest = Manifest> {
  readonly descriptor: Descriptor;
  readonly manifest: M;
}

/**
 * Goes from what a name stands for to the one image that this machine runs best.
 *
 * @param read - gets what an index names; its bytes must have been verified.
 * @param subject - for messages: the image's name.
 * @throws CloisterError `ERR_PLATFORM_NOT_FOUND`; `ERR_IMAGE_INVALID` for indexes inside each other without end.
 */
export async function chooseManifest<Named extends NamedManifest>(
  root: Named,
  machine: Platform,
  read: (descriptor: Descriptor) => Promise<Named>,
  subject: string,
): Promise<Named & NamedManifest<ImageManifest>> {
  let named = root;
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    if (named.manifest.kind === 'manifest') return named as Named & NamedManifest<ImageManifest>;
    named = await read(choosePlatform(named.manifest.manifests, machine, subject));
  }
  throw new CloisterError('ERR_IMAGE_INVALID', `${subject}: more than ${MAX_DEPTH} indexes inside each other`, {
    subject,
  });
}
