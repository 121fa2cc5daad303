import { fstatSync } from 'node:fs';
import { invalidOption, type CloisterError } from '../errors.js';
import { isPlainObject } from '../shared/option-values.js';
import type { Snapshot } from '../shared/snapshotter.js';

function refuse(expected: string, got: unknown): CloisterError {
  return invalidOption('storage.prepare()', expected, got, 'the storage driver is at fault');
}

/** A number that stands for nothing would be some other file of the application a moment later. */
function checkTree(fd: unknown): void {
  const isNumber = Number.isInteger(fd) && Number(fd) >= 0 && Number(fd) < 2 ** 31;
  if (!isNumber) throw refuse('descriptors of mounts', fd);
  try {
    fstatSync(Number(fd));
  } catch {
    throw refuse('descriptors that are open', fd);
  }
}

/**
 * What a driver hands over, which may be the user's own: descriptors are mounted, and closed at the end. One that is refused is
 * left as it is, because nobody knows what it is.
 *
 * @throws CloisterError `ERR_INVALID_OPTION`
 */
export function checkSnapshot(snapshot: unknown): Snapshot {
  if (!isPlainObject(snapshot)) throw refuse('a snapshot', snapshot);
  const { kind, trees, tree, remove } = snapshot;
  if (remove !== undefined && typeof remove !== 'function') throw refuse('a method remove, or none', remove);
  if (kind === 'tree') checkTree(tree);
  else if (kind !== 'layers') throw refuse("the kind 'layers' or 'tree'", kind);
  else if (!Array.isArray(trees) || trees.length === 0) throw refuse('at least one tree', trees);
  else trees.forEach(checkTree);
  return snapshot as unknown as Snapshot;
}
