import { openImages, type ImageContext } from '../../lib/image/image-context.js';
import { nativeParts } from '../../lib/native/addon.js';
import { directorySnapshotter } from './directory-snapshotter.js';

/** Images below a directory, as another process would have them open. */
export function openTestImages(
  root: string,
): ImageContext & Disposable & { readonly layers: ReturnType<typeof directorySnapshotter> } {
  const layers = directorySnapshotter(root);
  const context = openImages(root, (...range) => nativeParts().addon.lockRange(...range), layers);
  return { ...context, layers };
}
