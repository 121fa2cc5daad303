import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tls from 'node:tls';
import { CloisterError } from '../../../errors.js';

/** Whom to trust and who we are, for one host. PEM. */
export interface TlsOptions {
  /** Certificates of authorities, besides the usual ones. */
  readonly ca?: string | readonly string[];
  /** Our own certificate, with those between it and its authority. */
  readonly cert?: string;
  readonly key?: string;
}

export interface TlsMaterial {
  readonly ca: readonly string[];
  readonly cert: readonly string[];
  readonly key: readonly string[];
}

const MAX_FILES = 64;
const MAX_BYTES = 2 ** 20;

function failure(path: string, error: unknown): CloisterError {
  const errno = (error as NodeJS.ErrnoException).code;
  return new CloisterError('ERR_PERMISSION', `${path}: the registry's certificates cannot be read: ${errno ?? ''}`, {
    subject: path,
    cause: error,
    ...(errno === undefined ? {} : { errno }),
  });
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).sort().slice(0, MAX_FILES);
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code;
    // No directory has so long a name; there is no such host either, as the error of the request then says.
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ENAMETOOLONG') return [];
    throw failure(directory, error);
  }
}

async function read(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw failure(path, error);
  });
  if (text.length <= MAX_BYTES) return text;
  throw new CloisterError('ERR_INVALID_OPTION', `${path}: expected PEM of at most ${MAX_BYTES} bytes`, {
    subject: path,
  });
}

/**
 * `*.crt` are authorities, `name.cert` and `name.key` a client's.
 * @see https://docs.docker.com/engine/security/certificates/
 */
async function readDirectory(directory: string): Promise<TlsMaterial> {
  const names = await namesIn(directory);
  const pick = (end: string): string[] => names.filter((name) => name.endsWith(end));
  for (const name of pick('.cert')) {
    const key = `${name.slice(0, -'.cert'.length)}.key`;
    if (names.includes(key)) continue;
    const path = join(directory, name);
    throw new CloisterError('ERR_INVALID_OPTION', `${path}: its key ${key} is missing`, { subject: path });
  }
  const certs = pick('.cert');
  const all = (list: readonly string[]): Promise<string[]> =>
    Promise.all(list.map((name) => read(join(directory, name))));
  return {
    ca: await all(pick('.crt')),
    cert: await all(certs),
    key: await all(certs.map((name) => `${name.slice(0, -'.cert'.length)}.key`)),
  };
}

/** The port that is not written is part of a directory's name in some set-ups. */
function spellings(authority: string): readonly string[] {
  const { port } = new URL(`https://${authority}`);
  return port === '' ? [authority, `${authority}:443`] : [authority];
}

/** What is given for a host by options, and by directories such as `/etc/docker/certs.d`. */
export async function loadTls(
  authority: string,
  options: Readonly<Record<string, TlsOptions>>,
  directories: readonly string[],
): Promise<TlsMaterial> {
  const names = spellings(authority);
  const given = Object.entries(options).flatMap(([host, each]) => (names.includes(host.toLowerCase()) ? [each] : []));
  const found = await Promise.all(
    directories.flatMap((directory) => names.map((name) => readDirectory(join(directory, name)))),
  );
  return {
    ca: [...given.flatMap(({ ca }) => ca ?? []), ...found.flatMap(({ ca }) => ca)],
    cert: [...given.flatMap(({ cert }) => cert ?? []), ...found.flatMap(({ cert }) => cert)],
    key: [...given.flatMap(({ key }) => key ?? []), ...found.flatMap(({ key }) => key)],
  };
}

let usual: Promise<readonly string[]> | undefined;

async function readUsual(): Promise<readonly string[]> {
  // From Node 22.15 on; it knows of --use-system-ca and NODE_EXTRA_CA_CERTS.
  const { getCACertificates } = tls as { getCACertificates?: (type: 'default') => readonly string[] };
  if (getCACertificates !== undefined) return getCACertificates('default');
  const extra = process.env['NODE_EXTRA_CA_CERTS'];
  return extra === undefined || extra === '' ? tls.rootCertificates : [...tls.rootCertificates, await read(extra)];
}

/** The authorities that Node trusts by itself: a list of one's own replaces them, so it must have them in it. */
export function usualAuthorities(): Promise<readonly string[]> {
  return (usual ??= readUsual());
}
