import { Socket } from 'node:net';
import { Writable } from 'node:stream';
import type { CloisterError } from '../errors.js';
import { closeDescriptor } from '../native/descriptor.js';
import { InputFeed } from './input-feed.js';
import type { StdinSpec } from './spec.js';

/** A stream for what no program reads: writing to it is no error, as with a program that does not read its input. */
function discard(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

/** Feeds a command's standard input, from a descriptor that it owns. */
export class StdinWriter {
  readonly stream: Writable;
  readonly #socket: Socket | undefined;
  readonly #feed: InputFeed | undefined;

  /** @param onFailed - hears that the stream which the input came from broke off. */
  constructor(spec: StdinSpec, fd: number, onFailed: (error: CloisterError) => void) {
    if (fd < 0) {
      this.stream = discard();
      this.stream.end();
      return;
    }
    const socket = new Socket({ fd, readable: false, writable: true });
    // EPIPE: the program ended or closed its input; its exit status says the rest.
    socket.on('error', () => socket.destroy());
    this.#socket = socket;
    this.stream = socket;
    if (spec.kind === 'bytes') socket.end(spec.bytes);
    if (spec.kind === 'stream') this.#feed = new InputFeed(spec.stream, socket, onFailed);
  }

  dispose(): void {
    this.#feed?.stop();
    this.#socket?.destroy();
  }
}

export function closeAll(fds: readonly number[]): void {
  for (const fd of fds) if (fd >= 0) closeDescriptor(fd);
}
