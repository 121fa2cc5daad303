import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Not in memory, as `/tmp` may be: not every kernel maps the ids of a tmpfs. */
const PLACE = '/var/tmp/cloister-bench-';
const FLOOR_SOURCES = fileURLToPath(new URL('../../bench/floor', import.meta.url));

/** A directory with everything that the contenders need, gone when disposed. */
export interface Workshop extends Disposable {
  readonly directory: string;
  /** A root file system: one static program and the directories that kernel file systems are mounted on. */
  readonly root: string;
  /** Path of the program in `root` as the host sees it. */
  readonly program: string;
  readonly cold: string;
  readonly warm: string;
}

function compile(source: string, output: string, ...options: readonly string[]): string {
  execFileSync('cc', ['-O2', ...options, '-o', output, join(FLOOR_SOURCES, source)], { stdio: 'inherit' });
  return output;
}

/** @throws when there is no C compiler. */
export function openWorkshop(): Workshop {
  const directory = mkdtempSync(PLACE);
  const dispose = (): void => rmSync(directory, { recursive: true, force: true });
  try {
    const root = join(directory, 'bundle', 'rootfs');
    for (const path of ['bin', 'dev', 'proc', 'sys', 'tmp']) mkdirSync(join(root, path), { recursive: true });
    const program = compile('true.c', join(directory, 'true'), '-static', '-s');
    cpSync(program, join(root, 'bin/true'));
    return {
      directory,
      root,
      program: join(root, 'bin/true'),
      cold: compile('cold.c', join(directory, 'cold')),
      warm: compile('warm.c', join(directory, 'warm')),
      [Symbol.dispose]: dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}
