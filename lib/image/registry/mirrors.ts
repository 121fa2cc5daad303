import { CloisterError } from '../../errors.js';
import type { Digest } from '../../shared/digest.js';
import type { Descriptor } from '../descriptor.js';
import type { Repository } from '../reference.js';
import { BlobDownload, noPrefix, type BlobPrefix } from './blob-download.js';
import { comesFromElsewhere, type Distrust } from './distrust.js';
import type { Endpoint } from './endpoint.js';

function isFinal(error: unknown): boolean {
  return !CloisterError.is(error) || error.code === 'ERR_ABORTED' || error.code === 'ERR_INVALID_OPTION';
}

/** Without the hint, which comes with the error once more. */
const firstLine = (message: string): string => message.split('\n')[0] ?? '';

/** The registry's own error, with what its mirrors had said before. */
function withFailures(error: unknown, failures: readonly CloisterError[]): unknown {
  if (!CloisterError.is(error) || failures.length === 0) return error;
  const lines = failures.map(({ message }) => `  a mirror failed before: ${firstLine(message)}`);
  return new CloisterError(error.code, [firstLine(error.message), ...lines].join('\n'), {
    ...(error.subject === undefined ? {} : { subject: error.subject }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: error.cause,
  });
}

/** A registry behind its mirrors: the first of them that has what is wanted gives it. */
export class MirroredRegistry {
  /** The mirrors in their order, and the registry itself at the end. */
  readonly #endpoints: readonly Endpoint[];
  readonly #distrust: Distrust;

  constructor(mirrors: readonly Endpoint[], registry: Endpoint, distrust: Distrust) {
    this.#endpoints = [...mirrors, registry];
    this.#distrust = distrust;
  }

  /** Does something at the first place where it works. @throws what the registry itself throws. */
  async first<T>(work: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    const failures: CloisterError[] = [];
    for (const endpoint of this.#endpoints.slice(0, -1)) {
      try {
        return await work(endpoint);
      } catch (error) {
        if (isFinal(error)) throw error;
        failures.push(error as CloisterError);
      }
    }
    try {
      return await work(this.#registry);
    } catch (error) {
      throw withFailures(error, failures);
    }
  }

  /**
   * One blob; when a mirror breaks off, the next goes on from there. What was handed out cannot be taken back: when it turns out
   * to be wrong, and a mirror gave a part of it, the error says that the next call gets it elsewhere.
   */
  async *blob(
    { repository }: Repository,
    descriptor: Descriptor,
    from: BlobPrefix | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const failures: CloisterError[] = [];
    const sources: Endpoint[] = [];
    let prefix = from ?? noPrefix(descriptor);
    for (const endpoint of this.#trusted(descriptor.digest)) {
      const download = new BlobDownload(endpoint, repository, descriptor, prefix, signal);
      try {
        yield* download.chunks();
        return;
      } catch (error) {
        if (download.prefix.offset > prefix.offset) sources.push(endpoint);
        const isWrong = CloisterError.is(error) && error.code === 'ERR_DIGEST_MISMATCH' && sources.length > 0;
        if (isWrong) throw this.#wrong(withFailures(error, failures) as CloisterError, sources, descriptor.digest);
        if (endpoint === this.#registry || isFinal(error)) throw withFailures(error, failures);
        failures.push(error as CloisterError);
        ({ prefix } = download);
      }
    }
  }

  get #registry(): Endpoint {
    return this.#endpoints.at(-1) as Endpoint;
  }

  #trusted(digest: Digest): readonly Endpoint[] {
    return this.#endpoints.filter(
      (endpoint) => endpoint === this.#registry || !this.#distrust.has(endpoint.location, digest),
    );
  }

  /** Distrusts never the registry itself: there is no other place. */
  #wrong(error: CloisterError, sources: readonly Endpoint[], digest: Digest): CloisterError {
    for (const endpoint of sources) {
      if (endpoint === this.#registry) continue;
      this.#distrust.add(endpoint.location, digest);
      comesFromElsewhere(error);
    }
    return error;
  }
}
