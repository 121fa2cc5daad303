import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Dockerd extends AsyncDisposable {
  /** The beginning of every command line of docker(1) for it. */
  readonly docker: readonly string[];
}

/**
 * Docker's daemon with directories of its own. It has no network, touches no firewall, and shares nothing with one that runs
 * already.
 *
 * @throws when it does not start: with what it said.
 */
export async function startDockerd(directory: string, storageDriver: 'overlay2' | 'vfs'): Promise<Dockerd> {
  mkdirSync(directory, { recursive: true });
  const at = (name: string): string => join(directory, name);
  const log = openSync(at('log'), 'w');
  const child = spawn(
    'dockerd',
    [
      ...['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid'), '-H', `unix://${at('socket')}`],
      ...['--iptables=false', '--ip6tables=false', '--ip-forward=false', '--bridge=none'],
      ...['--storage-driver', storageDriver],
    ],
    { stdio: ['ignore', log, log] },
  );
  const end = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await end;
  };
  await once(child, 'spawn');
  while (!existsSync(at('socket'))) {
    if (child.exitCode !== null)
      throw new Error(`dockerd: ${readFileSync(at('log'), 'utf8').trim().split('\n').at(-1)}`);
    await sleep(50);
  }
  return { docker: ['docker', '-H', `unix://${at('socket')}`], [Symbol.asyncDispose]: stop };
}
