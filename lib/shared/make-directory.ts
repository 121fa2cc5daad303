import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, fileError } from './file-error.js';

function makeOne(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const isThere = errnoOf(error) === 'EEXIST' && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
    if (!isThere) throw error;
  }
}

function makeAll(path: string, mode: number): void {
  try {
    makeOne(path, mode);
  } catch (error) {
    const parent = dirname(path);
    if (errnoOf(error) !== 'ENOENT' || parent === path) throw error;
    makeAll(parent, mode);
    makeOne(path, mode);
  }
}

/**
 * As Node's `mkdir` with `recursive`, which tries for ever where a file system says ENOENT to every new name, as procfs does
 * (MKDirpSync in src/node_file.cc); this ends.
 *
 * @throws CloisterError `ERR_KERNEL` that names the path.
 */
export function makeDirectory(path: string, mode: number): void {
  try {
    makeAll(path, mode);
  } catch (error) {
    throw fileError(error, path);
  }
}
