import type { LockKind } from '../shared/lock-file.js';
import { nativeParts } from './addon.js';
import { callAddon } from './kernel.js';

/**
 * Locks a range of a file for its open file description, fcntl(2) `F_OFD_SETLK`; false when another one is in the way.
 *
 * @throws CloisterError `ERR_KERNEL`
 */
export function lockRange(fd: number, kind: LockKind | 'none', start: number, length: number): boolean {
  return callAddon(() => nativeParts().addon.lockRange(fd, kind, start, length));
}
