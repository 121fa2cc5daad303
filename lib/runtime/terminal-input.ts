import { writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import type { CloisterError } from '../errors.js';
import { InputFeed } from './input-feed.js';
import type { StdinSpec } from './spec.js';

/** VEOF, Ctrl-D: hands over what was typed so far, and at the beginning of a line that is nothing, the end of the input, termios(3). */
const END_OF_FILE = '\x04';
const NEWLINE = 0x0a;

/** When a terminal is full, how long until it is asked again: it says by no event that there is room. */
const RETRY_MS = 5;

/**
 * What is typed at a command's terminal. Init opens that: what is typed before waits here.
 *
 * It is written from here, not through a stream of Node's: libuv takes a terminal's master for one that has to be written to until it
 * takes all, and a program that does not read would hold up the application.
 */
export class TerminalInput {
  readonly stream: Writable;
  readonly #feed: InputFeed | undefined;
  #terminal = -1;
  #isGone = false;
  #onOpen: () => void = () => undefined;
  #retry: NodeJS.Timeout | undefined;
  #isAtLineStart = true;

  /** @param onFailed - hears that the stream which the input came from broke off. */
  constructor(spec: StdinSpec, onFailed: (error: CloisterError) => void) {
    this.stream = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (chunk.length > 0) this.#isAtLineStart = chunk[chunk.length - 1] === NEWLINE;
        this.#type(chunk, done);
      },
      final: (done) => this.#type(Buffer.from(this.#isAtLineStart ? END_OF_FILE : END_OF_FILE.repeat(2)), done),
    });
    if (spec.kind === 'bytes') this.stream.end(spec.bytes);
    if (spec.kind === 'stream') this.#feed = new InputFeed(spec.stream, this.stream, onFailed);
  }

  /** @param terminal - its master, which does not block; stays the caller's, until `dispose`. */
  open(terminal: number): void {
    this.#terminal = terminal;
    this.#onOpen();
  }

  dispose(): void {
    this.#isGone = true;
    clearTimeout(this.#retry);
    this.#feed?.stop();
    this.stream.destroy();
  }

  /** A terminal that is gone takes nothing more: that is no error, as with a program that does not read its input. */
  #type(keys: Buffer, done: () => void): void {
    if (this.#isGone || keys.length === 0) return done();
    if (this.#terminal < 0) {
      this.#onOpen = () => this.#type(keys, done);
      return;
    }
    try {
      const rest = keys.subarray(writeSync(this.#terminal, keys));
      if (rest.length === 0) return done();
      this.#retry = setTimeout(() => this.#type(rest, done), RETRY_MS).unref();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return done();
      this.#retry = setTimeout(() => this.#type(keys, done), RETRY_MS).unref();
    }
  }
}
