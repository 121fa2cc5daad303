import { nativeParts } from './addon.js';
import { callAddon } from './kernel.js';

/**
 * Closes a descriptor that the addon has opened or received. Node's own `closeSync` is for what `node:fs` has opened: in a worker
 * thread it keeps account of that, and warns of everything else on standard error.
 */
export function closeDescriptor(fd: number): void {
  callAddon(() => nativeParts().addon.close(fd));
}
