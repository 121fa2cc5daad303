import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FileState } from '../native/pack.js';

/**
 * What is in the upper directory of an overlay before any program runs: the mount points that the image did not have, and
 * directories of the image that those were made in. Whatever path a link of the image led to, it is found here.
 *
 * At once, as programs may run when this returns; some ten files.
 *
 * @param directory - absolute, and not yet in reach of any program: links in it could be exchanged.
 * @throws what `readdirSync` and `lstatSync` throw, such as `EMFILE`.
 */
export function readBaseline(directory: string): readonly FileState[] {
  const found: FileState[] = [];
  const visit = (parent: string): void => {
    for (const name of readdirSync(join(directory, parent))) {
      const path = join(parent, name);
      const about = lstatSync(join(directory, path), { bigint: true });
      const [mode, uid, gid] = [about.mode, about.uid, about.gid].map(Number) as [number, number, number];
      found.push({ path, inode: about.ino, changedNs: about.ctimeNs, mode, uid, gid });
      if (about.isDirectory()) visit(path);
    }
  };
  visit('');
  return found;
}
