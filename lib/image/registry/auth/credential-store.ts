import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CloisterError, invalidOption } from '../../../errors.js';
import { findAuth, findHelper, parseAuthFile, type AuthFile } from './auth-file.js';
import { askHelper } from './credential-helper.js';
import { registryKey } from '../registry-name.js';
import type { Credentials, CredentialSource } from './credentials.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** What helpers say is asked for again after that: some hand out passwords that last hours. */
const HELPER_ANSWER_MS = 5 * 60_000;
const MAX_FILE_BYTES = 2 ** 20;

/** The first that knows something is used; containers-auth.json(5), then Docker's. */
function paths(env: Environment): readonly string[] {
  const named = env['REGISTRY_AUTH_FILE'];
  if (named !== undefined && named !== '') return [named];
  const home = env['HOME'] ?? homedir();
  const runtime = env['XDG_RUNTIME_DIR'];
  return [
    ...(runtime === undefined || runtime === '' ? [] : [join(runtime, 'containers/auth.json')]),
    join(env['XDG_CONFIG_HOME'] ?? join(home, '.config'), 'containers/auth.json'),
    join(env['DOCKER_CONFIG'] ?? join(home, '.docker'), 'config.json'),
  ];
}

async function readAuthFile(path: string, isRequired: boolean): Promise<AuthFile | undefined> {
  try {
    const text = await readFile(path, 'utf8');
    if (text.length > MAX_FILE_BYTES) throw invalidOption(path, `at most ${MAX_FILE_BYTES} bytes`, text.length);
    return parseAuthFile(text, path);
  } catch (cause) {
    if (CloisterError.is(cause)) throw cause;
    const errno = (cause as NodeJS.ErrnoException).code ?? '';
    // Accounts of services have homes such as /dev/null.
    if ((errno === 'ENOENT' || errno === 'ENOTDIR') && !isRequired) return undefined;
    throw new CloisterError('ERR_PERMISSION', `${path}: the credentials cannot be read: ${errno}`, {
      subject: path,
      errno,
      cause,
    });
  }
}

/**
 * Credentials that tools leave on a machine: `DOCKER_AUTH_CONFIG`, the files of containers-auth.json(5), Docker's
 * `config.json`, and the helpers that they name. Files are read when the first registry asks, once.
 */
export class CredentialStore implements CredentialSource {
  readonly #env: Environment;
  #files: Promise<readonly AuthFile[]> | undefined;
  readonly #answers = new Map<string, { readonly until: number; readonly answer: Promise<Credentials | undefined> }>();

  constructor(env: Environment) {
    this.#env = env;
  }

  async find(registry: string, repository: string | undefined): Promise<Credentials | undefined> {
    for (const file of await (this.#files ??= this.#readFiles())) {
      const helper = findHelper(file, registry);
      const found =
        (helper === undefined ? undefined : await this.#ask(helper.name, helper.server)) ??
        findAuth(file, registry, repository);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #readFiles(): Promise<readonly AuthFile[]> {
    const inline = this.#env['DOCKER_AUTH_CONFIG'];
    const isRequired = (this.#env['REGISTRY_AUTH_FILE'] ?? '') !== '';
    const files = await Promise.all(paths(this.#env).map((path) => readAuthFile(path, isRequired)));
    const first = inline === undefined || inline === '' ? [] : [parseAuthFile(inline, 'DOCKER_AUTH_CONFIG')];
    return [...first, ...files.filter((file) => file !== undefined)];
  }

  #ask(name: string, server: string): Promise<Credentials | undefined> {
    const key = `${name} ${server}`;
    const known = this.#answers.get(key);
    if (known !== undefined && known.until > Date.now()) return known.answer;
    const answer = askHelper(name, server, this.#env);
    this.#answers.set(key, { until: Date.now() + HELPER_ANSWER_MS, answer });
    answer.catch(() => this.#answers.delete(key));
    return answer;
  }
}

/** Credentials given by hand for some registries, before those of another source. */
export class GivenCredentials implements CredentialSource {
  readonly #given: ReadonlyMap<string, Credentials>;
  readonly #others: CredentialSource;

  constructor(given: Readonly<Record<string, Credentials>>, others: CredentialSource) {
    this.#given = new Map(Object.entries(given).map(([registry, each]) => [registryKey(registry), each]));
    this.#others = others;
  }

  async find(registry: string, repository: string | undefined): Promise<Credentials | undefined> {
    return this.#given.get(registryKey(registry)) ?? this.#others.find(registry, repository);
  }
}
