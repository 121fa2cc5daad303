import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { makeScratch } from './scratch.js';

/** What `docker-registry` is started with besides a directory of its own and a port of loopback. */
export interface RegistrySetUp {
  /** `me` with the password `correct horse` may do everything. */
  readonly htpasswd?: boolean;
  readonly token?: {
    readonly realm: string;
    readonly service: string;
    readonly issuer: string;
    readonly certificate: string;
  };
  /** Paths of PEM files. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly clientAuthority?: string };
}

/** A real registry, of the program that most registries are made of. */
export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly directory: string;
}

export const USER = { username: 'me', password: 'correct horse' } as const;
/** That password, by crypt(3) with the method `2b`. */
const HTPASSWD = 'me:$2b$05$UsyS2CGC.5Fa/SxC/Vlb.OphAZdKmAFt4NYyscaZ.R.PtRfFB7NIS\n';

function configuration(directory: string, { htpasswd, token, tls }: RegistrySetUp): object {
  const passwords = join(directory, 'htpasswd');
  if (htpasswd === true) writeFileSync(passwords, HTPASSWD);
  return {
    version: '0.1',
    log: { level: 'info', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, 'storage') }, delete: { enabled: true } },
    http: {
      addr: '127.0.0.1:0',
      secret: 'of this test',
      ...(tls === undefined
        ? {}
        : {
            tls: {
              certificate: tls.certificate,
              key: tls.key,
              ...(tls.clientAuthority === undefined ? {} : { clientcas: [tls.clientAuthority] }),
            },
          }),
    },
    ...(htpasswd === true ? { auth: { htpasswd: { realm: 'cloister', path: passwords } } } : {}),
    ...(token === undefined
      ? {}
      : {
          auth: {
            token: {
              realm: token.realm,
              service: token.service,
              issuer: token.issuer,
              rootcertbundle: token.certificate,
            },
          },
        }),
  };
}

/** The port that the kernel chose, from the registry's log. */
async function listeningPort(child: ChildProcess): Promise<string> {
  const seen: string[] = [];
  for await (const line of createInterface({ input: child.stderr! })) {
    seen.push(line);
    const port = /listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
    if (port !== undefined) return port;
  }
  throw new Error(`docker-registry did not start:\n${seen.join('\n')}`);
}

export async function startRegistry(setUp: RegistrySetUp = {}): Promise<TestRegistry> {
  const scratch = makeScratch('registry');
  const directory = scratch.path;
  const file = join(directory, 'config.json');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(configuration(directory, setUp)));
  const child = spawn('docker-registry', ['serve', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  const end = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await end;
    scratch[Symbol.dispose]();
  };
  try {
    const port = await listeningPort(child);
    child.stderr.resume();
    return { host: `127.0.0.1:${port}`, directory, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
