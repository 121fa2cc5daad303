import { join } from 'node:path';
import { NO_LEFTOVERS, type Leftovers } from '../shared/leftovers.js';
import type { LockRange } from '../shared/lock-file.js';
import type { Snapshotter } from '../shared/snapshotter.js';
import { ContentStore } from './content-store.js';
import { ImageDocuments } from './documents.js';
import { ImageNames } from './image-names.js';

/** What every operation on images works with. */
export interface ImageContext {
  readonly content: ContentStore;
  readonly documents: ImageDocuments;
  readonly names: ImageNames;
  readonly layers: Snapshotter;
  readonly leftovers: Leftovers;
}

/**
 * Opens the images below a directory; several processes may do so at once.
 *
 * @param root - holds `content/` and `images/`; made if they are missing.
 * @param layers - where unpacked layers live.
 * @param leftovers - what is to be collected beside them.
 */
export function openImages(
  root: string,
  lockRange: LockRange,
  layers: Snapshotter,
  leftovers = NO_LEFTOVERS,
): ImageContext & Disposable {
  const content = new ContentStore(join(root, 'content'), lockRange);
  return {
    content,
    documents: new ImageDocuments(content),
    names: new ImageNames(join(root, 'images'), content.locks),
    layers,
    leftovers,
    [Symbol.dispose]: () => content[Symbol.dispose](),
  };
}
