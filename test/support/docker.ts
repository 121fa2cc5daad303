import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startDockerd } from '../../bench/pull/dockerd.js';
import { makeScratch } from './scratch.js';

const run = promisify(execFile);

/** Docker's daemon with directories of its own; it has no network and starts no container. */
export interface TestDocker extends AsyncDisposable {
  /** Runs docker(1); what it prints. */
  docker(...args: string[]): Promise<string>;
}

export async function startDocker(): Promise<TestDocker> {
  const scratch = makeScratch('docker');
  try {
    const daemon = await startDockerd(join(scratch.path, 'docker'), 'vfs');
    const [file = '', ...own] = daemon.docker;
    return {
      docker: async (...args) => (await run(file, [...own, ...args])).stdout,
      [Symbol.asyncDispose]: async () => {
        await daemon[Symbol.asyncDispose]();
        scratch[Symbol.dispose]();
      },
    };
  } catch (error) {
    scratch[Symbol.dispose]();
    throw error;
  }
}
