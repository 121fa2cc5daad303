import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { ContentStore } from '../../lib/image/content-store.js';
import { nativeParts } from '../../lib/native/addon.js';
import type { Digest } from '../../lib/shared/digest.js';

/** A store of its own lock file descriptors, as another process would have it. */
export function openContent(directory: string): ContentStore {
  return new ContentStore(join(directory, 'content'), (...range) => nativeParts().addon.lockRange(...range));
}

export function sha256(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
