import { CloisterError } from '../../errors.js';
import type { HttpResponse } from './http/http-response.js';
import { mayPass, parseRetryAfter } from './http/retry.js';

/** One error as a registry reports it. @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes */
export interface RegistryProblem {
  /** `MANIFEST_UNKNOWN` */
  readonly code: string;
  readonly message: string;
}

/** What a registry answered; the `cause` of errors `ERR_REGISTRY`, `ERR_UNAUTHORIZED` and `ERR_IMAGE_NOT_FOUND`. */
export class RegistryAnswer extends Error {
  readonly status: number;
  readonly problems: readonly RegistryProblem[];

  constructor(status: number, problems: readonly RegistryProblem[]) {
    super([`status ${status}`, ...problems.map(({ code, message }) => `${code}: ${message}`)].join(', '));
    this.name = 'RegistryAnswer';
    this.status = status;
    this.problems = problems;
  }
}

const MAX_ANSWER_BYTES = 65_536;
const MAX_PROBLEMS = 4;

/** Controls, and what turns the direction of writing. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

/** Printable and short, without secrets: what a registry writes ends up in people's logs. */
export function clean(text: unknown, secrets: readonly string[]): string {
  if (typeof text !== 'string') return '';
  let shown = text.slice(0, MAX_ANSWER_BYTES);
  for (const secret of secrets) if (secret.length >= 4) shown = shown.replaceAll(secret, '***');
  return shown.replace(UNPRINTABLE, ' ').slice(0, 256).trim();
}

export function parseProblems(body: string, secrets: readonly string[]): readonly RegistryProblem[] {
  try {
    const { errors } = JSON.parse(body) as { errors?: unknown };
    if (!Array.isArray(errors)) return [];
    return errors.slice(0, MAX_PROBLEMS).flatMap((each: unknown) => {
      const { code, message } = (each ?? {}) as { code?: unknown; message?: unknown };
      return typeof code === 'string' ? [{ code: clean(code, secrets), message: clean(message, secrets) }] : [];
    });
  } catch {
    return [];
  }
}

/** The answer to a request of which it is not what was expected; reads and closes it. */
export async function readAnswer(response: HttpResponse, secrets: readonly string[]): Promise<RegistryAnswer> {
  const body = await response.bytes(MAX_ANSWER_BYTES).catch(() => new Uint8Array());
  return new RegistryAnswer(response.status, parseProblems(new TextDecoder().decode(body), secrets));
}

function isPassing(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 505);
}

export interface Refusal {
  /** What was tried: `get manifest 12 of docker.io/library/debian`. */
  readonly what: string;
  /** What it was about, for `subject`. */
  readonly subject: string;
  /** Whether 404 means that an image, or a part of one, is not there. */
  readonly isAboutImage: boolean;
}

const HINTS: Readonly<Record<number, string>> = {
  401: "log in with 'docker login' or pass the option 'auth'; a private repository that does not exist looks the same",
  403: 'these credentials do not allow it',
  405: 'the registry is configured not to allow it',
  429: 'wait, or log in: registries give more to people they know',
};

export function refusal(
  { what, subject, isAboutImage }: Refusal,
  response: HttpResponse,
  answer: RegistryAnswer,
): CloisterError {
  const { status } = answer;
  const code =
    status === 401 || status === 403
      ? 'ERR_UNAUTHORIZED'
      : status === 404 && isAboutImage
        ? 'ERR_IMAGE_NOT_FOUND'
        : 'ERR_REGISTRY';
  const hint = HINTS[status];
  const error = new CloisterError(code, `${what}: ${response.url.host} answered with ${answer.message}`, {
    subject,
    cause: answer,
    ...(hint === undefined ? {} : { hint }),
  });
  return isPassing(status) ? mayPass(error, parseRetryAfter(response.header('retry-after'), Date.now())) : error;
}

/** The registry did something that its protocol does not know. */
export function misbehaviour(what: string, host: string, problem: string, cause?: unknown): CloisterError {
  return new CloisterError('ERR_REGISTRY', `${what}: ${host} ${problem}`, { subject: host, cause });
}

export function mismatch(what: string, problem: string, subject: string): CloisterError {
  return new CloisterError('ERR_DIGEST_MISMATCH', `${what}: ${problem}`, { subject });
}
