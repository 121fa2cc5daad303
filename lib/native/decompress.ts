import { CloisterError } from '../errors.js';
import { onAbort, throwIfAborted } from '../shared/abort.js';
import type { Digest } from '../shared/digest.js';
import { nativeParts } from './addon.js';
import { closeDescriptor } from './descriptor.js';
import { callAddon, isAddonError, kernelError } from './kernel.js';
import { PipeFeed } from './pipe-feed.js';

export interface DecompressOptions {
  readonly compression: 'gzip' | 'none';
  /** Of the digest. */
  readonly algorithm: 'sha256' | 'sha512';
  /** More than that is an attack. */
  readonly maxBytes: number;
}

export interface Decompressed {
  /** Of what was written, in hexadecimal digits. */
  readonly digest: string;
  readonly bytes: number;
}

/** What one read of a socket brings, some times over; pipe(7) has 64 KiB of its own accord. */
export const PIPE_BYTES = 1024 * 1024;

/** How the native side names what is wrong with the bytes: `addon/layers/gzip_source.h`, `addon/layers/decompress.h`. */
const GZIP_CALL = 'gzip(1)';
const LIMIT_CALL = 'archive limit';

/** What a stream that cannot be decompressed fails with. */
export function damagedData(message: string, cause: unknown): CloisterError {
  return new CloisterError('ERR_LAYER_INVALID', `the layer's compressed data is damaged: ${message}`, { cause });
}

/** What a layer fails with whose archive has more bytes than are allowed. */
export function tooManyBytes(layer: Digest, maxBytes: number): CloisterError {
  return new CloisterError('ERR_LAYER_INVALID', `layer ${layer}: it has more than ${maxBytes} bytes uncompressed`, {
    subject: layer,
    hint: 'if the image is to be trusted, raise the limit',
  });
}

/**
 * Feeds what arrives in pieces to a job of the addon's that reads from a pipe. Nothing of it goes on when this rejects: with the
 * failure of `source` if that came first.
 *
 * @param start - starts the job with the read end, which it copies at once.
 * @throws CloisterError `ERR_ABORTED`; whatever `source` and the job throw.
 */
export async function feedJob<T>(
  source: AsyncIterable<Uint8Array>,
  what: string,
  signal: AbortSignal | undefined,
  start: (input: number) => Promise<T>,
): Promise<T> {
  const [output, input] = openPipe(source, what, signal);
  const feed = new PipeFeed(input);
  const stop = (): void => feed.stop();
  using _listening = onAbort(signal, stop);
  // One that does not even start, in an application out of descriptors, ends as any other that fails.
  const job = new Promise<T>((resolve) => resolve(start(output)));
  closeDescriptor(output);
  job.catch(stop);
  const [done] = await Promise.allSettled([job, feed.run(source)]);

  throwIfAborted(signal, what);
  if (feed.sourceError !== undefined) throw feed.sourceError.reason;
  if (done.status === 'rejected') throw done.reason;
  return done.value;
}

/** A source that is not to be read is closed: it may have been begun, and hold a file. */
function openPipe(
  source: AsyncIterable<Uint8Array>,
  what: string,
  signal: AbortSignal | undefined,
): [read: number, write: number] {
  try {
    throwIfAborted(signal, what);
    return callAddon(() => nativeParts().addon.pipe('write', PIPE_BYTES));
  } catch (error) {
    source[Symbol.asyncIterator]()
      .return?.()
      .catch(() => undefined);
    throw error;
  }
}

/**
 * Decompresses a layer that arrives in pieces, on a thread of its own: hashes what comes out and writes it to a file, or to a
 * pipe that another job reads from. The descriptor is copied when the first piece is there, and stays the caller's.
 *
 * @throws CloisterError `ERR_LAYER_INVALID` for damaged data and too many of them; `ERR_KERNEL` such as `ENOSPC`, or `EPIPE` when
 * nobody reads from the pipe any more; `ERR_ABORTED`; whatever `source` throws.
 *
 * @example
 * ```ts
 * const options = { compression: 'gzip', algorithm: 'sha256', maxBytes: 2 ** 30 } as const;
 * const { digest } = await decompressTo(createReadStream('layer.tar.gz'), file.fd, layer, options);
 * ```
 */
export async function decompressTo(
  source: AsyncIterable<Uint8Array>,
  output: number,
  layer: Digest,
  { signal, ...options }: DecompressOptions & { readonly signal?: AbortSignal | undefined },
): Promise<Decompressed> {
  const { addon } = nativeParts();
  try {
    return await feedJob(source, 'unpacking a layer', signal, (input) => addon.decompress(input, output, options));
  } catch (error) {
    if (!isAddonError(error) || CloisterError.is(error)) throw error;
    if (error.syscall === GZIP_CALL) throw damagedData(error.subject, error);
    if (error.syscall === LIMIT_CALL) throw tooManyBytes(layer, options.maxBytes);
    throw kernelError(error);
  }
}

/** Whether {@link decompressTo} works here: it takes zlib and OpenSSL from the program that it runs in, which Node offers. */
export function canDecompress(): boolean {
  return nativeParts().addon.canDecompress();
}
