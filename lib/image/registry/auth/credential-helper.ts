import { spawn } from 'node:child_process';
import { CloisterError } from '../../../errors.js';
import { deferred } from '../../../shared/deferred.js';
import { checkCredentials, type Credentials } from './credentials.js';

const MAX_OUTPUT = 2 ** 20;
const TIME_LIMIT_MS = 60_000;

/** How a helper says that it knows nothing, word for word. */
const NOT_FOUND = 'credentials not found in native keychain';

type Environment = Readonly<Record<string, string | undefined>>;

interface Outcome {
  readonly status: number | null;
  readonly output: string;
}

function failure(program: string, server: string, problem: string, hint: string, cause?: unknown): CloisterError {
  return new CloisterError('ERR_UNAUTHORIZED', `credentials for ${server}: ${program} ${problem}`, {
    subject: program,
    hint,
    cause,
  });
}

function run(program: string, server: string, env: Environment): Promise<Outcome> {
  const done = deferred<Outcome>();
  const child = spawn(program, ['get'], { env: { ...env }, stdio: ['pipe', 'pipe', 'ignore'] });
  const chunks: Buffer[] = [];
  let length = 0;
  const stop = (problem: string): void => {
    child.kill('SIGKILL');
    done.reject(failure(program, server, problem, 'try it by hand: it reads the server from its standard input'));
  };
  const timer = setTimeout(() => stop(`did not end within ${TIME_LIMIT_MS / 1000} s`), TIME_LIMIT_MS);
  child.stdout.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > MAX_OUTPUT) stop('wrote more than 1 MiB');
    else chunks.push(chunk);
  });
  child.on('error', (cause) => {
    clearTimeout(timer);
    const hint = "install it, take it out of Docker's config.json, or pass the option 'auth'";
    done.reject(
      failure(program, server, `cannot be started (${(cause as NodeJS.ErrnoException).code ?? ''})`, hint, cause),
    );
  });
  child.on('close', (status) => {
    clearTimeout(timer);
    done.resolve({ status, output: Buffer.concat(chunks).toString('utf8') });
  });
  // It may end without reading.
  child.stdin.on('error', () => undefined);
  child.stdin.end(`${server}\n`);
  return done.promise;
}

function parseOutput(program: string, server: string, output: string): Credentials | undefined {
  try {
    const { Username, Secret } = JSON.parse(output) as { Username?: unknown; Secret?: unknown };
    // Some say so that they know nothing.
    if (Username === '' && Secret === '') return undefined;
    // A name that nobody has says that the secret is an identity token.
    return Username === '<token>'
      ? checkCredentials('Secret', { identityToken: Secret })
      : checkCredentials('Secret', { username: Username, password: Secret });
  } catch {
    throw failure(program, server, 'wrote something else than credentials', 'expected JSON with Username and Secret');
  }
}

/**
 * Asks `docker-credential-NAME`; undefined when it knows nothing of this server.
 *
 * @throws CloisterError `ERR_UNAUTHORIZED` for a helper that is missing or fails; its words are not shown, they may be secret.
 * @see https://github.com/docker/docker-credential-helpers#development
 */
export async function askHelper(name: string, server: string, env: Environment): Promise<Credentials | undefined> {
  const program = `docker-credential-${name}`;
  const { status, output } = await run(program, server, env);
  if (status === 0) return parseOutput(program, server, output);
  if (output.trim() === NOT_FOUND) return undefined;
  throw failure(program, server, `ended with status ${status ?? 'by a signal'}`, 'try it by hand');
}
