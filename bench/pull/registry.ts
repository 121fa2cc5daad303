import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Registry extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly host: string;
}

/** Debian's `docker-registry` on a port of loopback that is free. @throws when it is not installed. */
export async function startRegistry(directory: string): Promise<Registry> {
  mkdirSync(directory, { recursive: true });
  const file = join(directory, 'config.json');
  const storage = { filesystem: { rootdirectory: join(directory, 'storage') } };
  const log = { level: 'info', accesslog: { disabled: true } };
  // JSON is YAML.
  writeFileSync(file, JSON.stringify({ version: '0.1', log, storage, http: { addr: '127.0.0.1:0' } }));
  const child = spawn('docker-registry', ['serve', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'close');
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended.catch(() => undefined);
  };
  for await (const line of createInterface({ input: child.stderr })) {
    const host = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (host === undefined) continue;
    child.stderr.resume();
    return { host, [Symbol.asyncDispose]: stop };
  }
  await stop();
  throw new Error('docker-registry did not start: install it, `apt-get install docker-registry`');
}
