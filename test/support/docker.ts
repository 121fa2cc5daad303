import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { makeScratch } from './scratch.js';

const run = promisify(execFile);

/** Docker's daemon with directories of its own; it has no network and starts no container. */
export interface TestDocker extends AsyncDisposable {
  /** Runs docker(1); what it prints. */
  docker(...args: string[]): Promise<string>;
}

export async function startDocker(): Promise<TestDocker> {
  const scratch = makeScratch('docker');
  const at = (name: string): string => join(scratch.path, name);
  const log = openSync(at('log'), 'w');
  const child = spawn(
    'dockerd',
    [
      ...['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid'), '-H', `unix://${at('socket')}`],
      ...['--iptables=false', '--ip6tables=false', '--bridge=none', '--storage-driver=vfs'],
    ],
    { stdio: ['ignore', log, log] },
  );
  const end = once(child, 'exit');
  const docker = async (...args: string[]): Promise<string> =>
    (await run('docker', ['-H', `unix://${at('socket')}`, ...args])).stdout;
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await end;
    scratch[Symbol.dispose]();
  };
  try {
    while (!existsSync(at('socket'))) {
      if (child.exitCode !== null) throw new Error(`dockerd ended with ${child.exitCode}`);
      await sleep(50);
    }
    await docker('version');
    return { docker, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
