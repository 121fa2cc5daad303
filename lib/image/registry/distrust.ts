import type { Digest } from '../../shared/digest.js';
import type { RegistryLocation } from './location.js';

/** Mirrors that gave something else than a digest says: they are not asked for it again. */
export class Distrust {
  readonly #digests = new Map<string, Set<Digest>>();

  has(mirror: RegistryLocation, digest: Digest): boolean {
    return this.#digests.get(keyOf(mirror))?.has(digest) === true;
  }

  add(mirror: RegistryLocation, digest: Digest): void {
    const digests = this.#digests.get(keyOf(mirror)) ?? new Set();
    this.#digests.set(keyOf(mirror), digests.add(digest));
  }
}

function keyOf({ authority, prefix }: RegistryLocation): string {
  return `${authority}/${prefix}`;
}

const fromElsewhere = new WeakSet<object>();

/** Says of an error that the blob comes from another place when it is asked for again, from the beginning. */
export function comesFromElsewhere(error: object): void {
  fromElsewhere.add(error);
}

/** Whether what was wrong is worth another try. Never endless: each time there is one place less. */
export function canComeFromElsewhere(error: unknown): boolean {
  return typeof error === 'object' && error !== null && fromElsewhere.has(error);
}
