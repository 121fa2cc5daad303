import { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import { CloisterError } from '../errors.js';
import { abortError, onAbort, throwIfAborted } from '../shared/abort.js';

/** Bytes as they come: a `Readable` of Node's, a `ReadableStream` of the web's, an async generator. */
export type ByteSource = AsyncIterable<Uint8Array>;

const ignore = (): void => undefined;

/**
 * To be called when a stream is handed over: it may fail before anybody uses it, which ends an application that does not listen.
 * Whoever uses it then is told.
 */
export function expectFailure(stream: string | ByteSource | NodeJS.WritableStream): void {
  // Once: an application may save to its standard output many times.
  if (stream instanceof EventEmitter && !stream.listeners('error').includes(ignore)) stream.on('error', ignore);
}

/**
 * What a source of the caller's gives, until it ends or somebody aborts, also while the source keeps us waiting. It is closed in
 * any case. Chunks are the reader's: the source may use its buffer again.
 *
 * @param option - for messages: how the caller handed it over.
 * @throws CloisterError `ERR_INVALID_OPTION` for a chunk that is no bytes, `ERR_ABORTED`; what the source throws.
 */
export async function* readSource(
  source: ByteSource,
  option: string,
  what: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  throwIfAborted(signal, what);
  let giveUp = ignore;
  using _listening = onAbort(signal, () => giveUp());
  const iterator = source[Symbol.asyncIterator]();
  // No Promise.race() with one promise for all chunks: that would keep every chunk until it is settled.
  const nextOrAbort = (): Promise<IteratorResult<Uint8Array>> =>
    new Promise((resolve, reject) => {
      giveUp = () => signal && reject(abortError(signal, what));
      Promise.resolve(iterator.next()).then(resolve, reject);
    });
  let isOver = false;
  try {
    for (;;) {
      const next = await nextOrAbort();
      if (next.done === true) {
        isOver = true;
        return;
      }
      if (!(next.value instanceof Uint8Array))
        throw new CloisterError('ERR_INVALID_OPTION', `${option}: expected a stream of Uint8Arrays`, {
          subject: option,
          hint: 'a Readable gives them unless it has an encoding',
        });
      // Not of Buffer, whose slice() is a view.
      yield Uint8Array.prototype.slice.call(next.value);
      throwIfAborted(signal, what);
    }
  } finally {
    // A source that hangs would keep us waiting here, too.
    if (!isOver) void close(iterator, source);
  }
}

/** A generator that waits does not hear of return(): a stream is told itself. */
async function close(iterator: AsyncIterator<Uint8Array>, source: ByteSource): Promise<void> {
  if (source instanceof Readable) source.destroy();
  await Promise.resolve(iterator.return?.()).catch(() => undefined);
}
