import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CloisterError, invalidOption } from '../errors.js';

/** A stream of objects is as well-formed as one of bytes, and no input: what is no text and no bytes is refused here. */
function toBytes(chunk: unknown): Uint8Array {
  if (typeof chunk === 'string') return Buffer.from(chunk);
  if (chunk instanceof Uint8Array) return chunk;
  throw invalidOption('stdin', 'a stream of texts or bytes', chunk);
}

/** Copies the caller's stream into a command's input. It is destroyed when the input takes no more, or has ended. */
export class InputFeed {
  readonly #source: NodeJS.ReadableStream & { destroy?: () => unknown };
  readonly #sink: Writable;
  #isStopped = false;

  /** @param onFailed - hears why the source broke off; not that it was stopped. */
  constructor(source: NodeJS.ReadableStream, target: Writable, onFailed: (error: CloisterError) => void) {
    this.#source = source;
    this.#sink = new Writable({
      objectMode: true,
      highWaterMark: 1,
      write: (chunk: unknown, _encoding, done) => {
        try {
          target.write(toBytes(chunk), (error) => {
            // At once: a source that always has more would keep the event loop from telling that the target has closed.
            if (error) this.stop();
            done();
          });
        } catch (error) {
          done(error as Error);
        }
      },
      final: (done) => void target.end(done),
    });
    // A program may close its input and go on: nothing is read for it any more.
    target.once('close', () => this.stop());
    pipeline(source, this.#sink).catch((error: unknown) => {
      if (!this.#isStopped) onFailed(inputFailed(error));
      this.stop();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#source.destroy?.();
    this.#sink.destroy();
  }
}

function inputFailed(cause: unknown): CloisterError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new CloisterError('ERR_STDIN', `the stream for stdin broke off: ${why}`, { subject: 'stdin', cause });
}
