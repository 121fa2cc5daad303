import type { Readable, Writable } from 'node:stream';
import { invalidOption } from '../errors.js';
import type { Command } from '../runtime/command.js';
import type { CommandResult } from '../runtime/result.js';
import { deferred } from '../shared/deferred.js';
import { signalNumber } from '../shared/signals.js';
import { AsyncQueue } from './async-queue.js';
import { checkTerminalSize } from './command-spec.js';

/** A piece of output with the stream it came from. */
export interface OutputChunk {
  /** With a terminal everything is `stdout`. */
  readonly stream: 'stdout' | 'stderr';
  readonly data: Buffer;
}

/**
 * A running command: a promise of its result, two streams, and an iterable of its output.
 *
 * Nothing is ever thrown at the start: what is wrong with the options, too, rejects the promise.
 *
 * @example
 * ```ts
 * const build = box.exec(['make']);
 * for await (const { stream, data } of build) process[stream].write(data);
 * const { exitCode, usage } = await build;
 * ```
 */
export class SandboxProcess<Output extends string | Uint8Array = string>
  implements Promise<CommandResult<Output>>, AsyncIterable<OutputChunk>
{
  readonly [Symbol.toStringTag] = 'SandboxProcess';
  readonly #command: Command | undefined;
  readonly #result: Promise<CommandResult<Output>>;

  /** @internal */
  constructor(begin: () => Command) {
    try {
      this.#command = begin();
      this.#result = this.#command.result as Promise<CommandResult<Output>>;
    } catch (error) {
      const never = deferred<CommandResult<Output>>();
      never.reject(error);
      this.#result = never.promise;
    }
  }

  /** Inside the sandbox; undefined until it has started. */
  get pid(): number | undefined {
    return this.#command?.pid;
  }

  /** Resolves with the pid when the program runs. @throws CloisterError when it could not be started. */
  get started(): Promise<number> {
    return this.#command?.started ?? this.#result.then(() => 0);
  }

  /** Standard input, with `stdin: 'pipe'` or a terminal; otherwise what is written is dropped. Undefined if nothing was started. */
  get stdin(): Writable | undefined {
    return this.#command?.stdio.stdin;
  }

  /**
   * Undefined with `capture: false`. With a terminal it carries everything.
   * Asking for it obliges to read it: a full buffer makes the program wait.
   */
  get stdout(): Readable | undefined {
    return this.#command?.stdio.stdout;
  }

  /** As `stdout`; with a terminal nothing arrives here. */
  get stderr(): Readable | undefined {
    return this.#command?.stdio.stderr;
  }

  then<A = CommandResult<Output>, B = never>(
    onResult?: ((result: CommandResult<Output>) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(onResult, onError);
  }

  catch<B = never>(onError?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<CommandResult<Output> | B> {
    return this.#result.catch(onError);
  }

  finally(onEnd?: (() => void) | null): Promise<CommandResult<Output>> {
    return this.#result.finally(onEnd);
  }

  /**
   * Sends a signal to the main process; SIGKILL ends all processes of the command. Nothing happens after its end.
   *
   * @param signal - a number or a name, as a result has it: `'SIGTERM'`, `'SIGRTMIN+3'`.
   * @throws CloisterError `ERR_INVALID_OPTION` for what is no signal.
   */
  kill(signal: string | number = 'SIGTERM'): void {
    const number = signalNumber(signal);
    if (number === undefined) throw invalidOption('signal', "a signal such as 'SIGTERM'", signal);
    this.#command?.kill(number);
  }

  /** Changes the size of the terminal; the foreground program gets SIGWINCH. @throws CloisterError `ERR_INVALID_OPTION` */
  resize(size: { columns: number; rows: number }): void {
    const { columns, rows } = checkTerminalSize(size);
    this.#command?.stdio.resize(columns, rows);
  }

  /** Output as it arrives. Others may read the streams, too; after their end there is nothing more to come. */
  async *[Symbol.asyncIterator](): AsyncGenerator<OutputChunk, void> {
    const queue = new AsyncQueue<OutputChunk>();
    const stopReading = this.#read(queue);
    try {
      yield* queue;
    } finally {
      stopReading();
    }
    await this.#result;
  }

  /** Fills the queue and closes it at the end. Returns what ends the reading: the program goes on, its output is not waited for. */
  #read(queue: AsyncQueue<OutputChunk>): () => void {
    const stops: (() => void)[] = [];
    for (const name of ['stdout', 'stderr'] as const) {
      const stream = this[name];
      // One that was read to its end has told so already.
      if (stream === undefined || stream.closed) continue;
      const onData = (data: Buffer): void => queue.push({ stream: name, data });
      const onClose = (): void => {
        stops.splice(stops.indexOf(stop), 1);
        stop();
        if (stops.length === 0) queue.close();
      };
      const stop = (): void => {
        stream.off('data', onData).off('close', onClose);
        if (stream.listenerCount('data') === 0) stream.resume();
      };
      stops.push(stop);
      stream.on('data', onData).on('close', onClose);
    }
    if (stops.length === 0) queue.close();
    return () => stops.forEach((stop) => stop());
  }
}
