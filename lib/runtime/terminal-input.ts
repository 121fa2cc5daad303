import { Writable } from 'node:stream';
import type { CloisterError } from '../errors.js';
import { InputFeed } from './input-feed.js';
import type { StdinSpec } from './spec.js';

/** VEOF, Ctrl-D: hands over what was typed so far, and at the beginning of a line that is nothing, the end of the input, termios(3). */
const END_OF_FILE = '\x04';
const NEWLINE = 0x0a;

/** What is typed at a command's terminal. Init opens that: what is typed before waits here. */
export class TerminalInput {
  readonly stream: Writable;
  readonly #feed: InputFeed | undefined;
  #terminal: Writable | undefined;
  #onOpen: () => void = () => undefined;
  #isAtLineStart = true;

  /** @param onFailed - hears that the stream which the input came from broke off. */
  constructor(spec: StdinSpec, onFailed: (error: CloisterError) => void) {
    this.stream = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (chunk.length > 0) this.#isAtLineStart = chunk[chunk.length - 1] === NEWLINE;
        this.#type(chunk, done);
      },
      final: (done) => this.#type(this.#isAtLineStart ? END_OF_FILE : END_OF_FILE.repeat(2), done),
    });
    if (spec.kind === 'bytes') this.stream.end(spec.bytes);
    if (spec.kind === 'stream') this.#feed = new InputFeed(spec.stream, this.stream, onFailed);
  }

  open(terminal: Writable): void {
    this.#terminal = terminal;
    this.#onOpen();
  }

  dispose(): void {
    this.#feed?.stop();
    this.stream.destroy();
  }

  /** A terminal that is gone takes nothing more: that is no error, as with a program that does not read its input. */
  #type(keys: Buffer | string, done: () => void): void {
    if (this.#terminal === undefined) this.#onOpen = () => this.#type(keys, done);
    else this.#terminal.write(keys, () => done());
  }
}
