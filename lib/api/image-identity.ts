import type { ImageRecord } from '../image/image-names.js';

/** How an `Image` tells which one it is, to other copies of the package, too. */
export const IDENTITY: unique symbol = Symbol.for('cloister.image');

/** One image, whatever its name stands for by now. */
export interface ImageIdentity {
  readonly record: ImageRecord;
  /** The `Host` that it is of. */
  readonly host: unknown;
}

/** Undefined for what is no `Image`. */
export function identityOf(value: unknown): ImageIdentity | undefined {
  if (typeof value !== 'object' || value === null || !(IDENTITY in value)) return undefined;
  return value[IDENTITY] as ImageIdentity;
}
