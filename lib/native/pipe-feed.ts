import { Socket } from 'node:net';

/**
 * Writes what arrives in pieces into a pipe, as fast as its reader takes it. A failure of `source` closes the pipe and is kept
 * apart from all else that can end it: a reader that sees its input end too early is the consequence, not the reason.
 */
export class PipeFeed {
  readonly #socket: Socket;
  #sourceError: { readonly reason: unknown } | undefined;
  #interrupt: () => void = () => undefined;
  #isStopped = false;

  /** @param fd - write end of a pipe that does not block; owned from now on. */
  constructor(fd: number) {
    this.#socket = new Socket({ fd, readable: false, writable: true });
    // EPIPE: the reader went away; what it says of itself is what counts.
    this.#socket.on('error', () => this.stop());
  }

  /** What `source` threw, unless it was stopped before. */
  get sourceError(): { readonly reason: unknown } | undefined {
    return this.#sourceError;
  }

  /** Closes the pipe and asks `source` to stop; {@link run} ends at once, also when `source` takes its time. */
  stop(): void {
    this.#isStopped = true;
    this.#interrupt();
  }

  /** Resolves when the pipe is closed, for whatever reason. */
  async run(source: AsyncIterable<Uint8Array>): Promise<void> {
    const iterator = source[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#orStop(iterator.next());
        if (next === undefined) break;
        if (next.done === true) {
          await this.#close();
          return;
        }
        if (!this.#socket.write(next.value))
          await this.#orStop(new Promise((done) => this.#socket.once('drain', done)));
      }
    } catch (reason) {
      if (!this.#isStopped) this.#sourceError = { reason };
    }
    // Not waited for: it may never answer.
    iterator.return?.().catch(() => undefined);
    await this.#close(true);
  }

  /** What the promise resolves with, or undefined as soon as it is stopped. */
  async #orStop<T>(promise: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      this.#interrupt = () => resolve(undefined);
      if (this.#isStopped) resolve(undefined);
      promise.then(resolve, reject);
    });
  }

  async #close(drops = false): Promise<void> {
    if (this.#socket.closed) return;
    await new Promise<void>((done) => {
      this.#socket.once('close', () => done());
      if (drops) this.#socket.destroy();
      else this.#socket.end();
      this.#interrupt = () => this.#socket.destroy();
      if (this.#isStopped) this.#socket.destroy();
    });
  }
}
