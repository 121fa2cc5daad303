import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';

/**
 * A directory of a test's own, in memory: fsync(2) on a disk that others use takes as long as they like.
 * @param size - as mount(8) takes it; with it comes a full disk.
 */
export function makeScratch(topic: string, size = '4g'): { readonly path: string } & Disposable {
  const path = mkdtempSync(`/var/tmp/cloister-${topic}-`);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0755`, 'cloister-test', path]);
  return {
    path,
    [Symbol.dispose]: () => {
      execFileSync('umount', ['--lazy', path]);
      rmSync(path, { recursive: true });
    },
  };
}
