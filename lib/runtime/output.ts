import { readFileSync, readSync } from 'node:fs';
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { closeDescriptor } from '../native/descriptor.js';

const CHUNK = 64 * 1024;

let pipeMaxBytes: number | undefined;

/** What a pipe can hold at most: a command may have made its own as large as anybody may, pipe(7). A terminal holds less. */
function mostInPipe(): number {
  return (pipeMaxBytes ??= Number(readFileSync('/proc/sys/fs/pipe-max-size', 'latin1')));
}

/** Shared by the streams of one command: the cap counts them together. */
export class OutputBudget {
  #left: number;
  readonly #onExceeded: () => void;
  isExceeded = false;

  constructor(maxBytes: number, onExceeded: () => void) {
    this.#left = maxBytes;
    this.#onExceeded = onExceeded;
  }

  /** The part of the chunk that may still be kept. */
  take(chunk: Buffer): Buffer {
    if (chunk.length <= this.#left) {
      this.#left -= chunk.length;
      return chunk;
    }
    const kept = chunk.subarray(0, this.#left);
    this.#left = 0;
    if (!this.isExceeded) {
      this.isExceeded = true;
      this.#onExceeded();
    }
    return kept;
  }
}

/**
 * Reads one output stream of a command, from a descriptor that it owns and that does not block; `connect` gives it that.
 *
 * Most commands are over in a few milliseconds with little output: their pipe is simply emptied at the end. Only what
 * runs longer gets a socket on Node's event loop, by `attach()`.
 */
export class OutputReader {
  readonly #budget: OutputBudget;
  readonly #chunks: Buffer[] = [];
  #open: (fd: number) => Socket = openPipe;
  #fd = -1;
  #socket: Socket | undefined;
  #stream: Readable | undefined;
  #isFinished = false;

  constructor(budget: OutputBudget) {
    this.#budget = budget;
  }

  /** @param open - makes the descriptor a socket of Node's event loop. */
  connect(fd: number, open: (fd: number) => Socket = openPipe): this {
    this.#fd = fd;
    this.#open = open;
    if (this.#stream !== undefined) this.attach();
    return this;
  }

  get bytes(): Buffer {
    return this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
  }

  /** What arrives, as it arrives. Whoever asks for it has to read it: a full buffer makes the command wait. */
  get stream(): Readable {
    if (this.#stream !== undefined) return this.#stream;
    const stream = new Readable({ read: () => this.#socket?.resume() });
    this.#stream = stream;
    for (const chunk of this.#chunks) stream.push(chunk);
    if (this.#isFinished) stream.push(null);
    else this.attach();
    return stream;
  }

  attach(): void {
    if (this.#fd < 0 || this.#socket !== undefined) return;
    this.#socket = this.#open(this.#fd);
    this.#socket.on('data', (chunk: Buffer) => this.#keep(chunk));
    // A terminal whose last process has gone says EIO, pty(7).
    this.#socket.on('error', () => undefined);
  }

  /**
   * Takes what is left. Called when the command's processes are dead: what they wrote is in the pipe.
   * Never waits, and stops at what a pipe can hold: a descriptor that was handed to somebody outside the command, who may write to it
   * faster than this reads, cannot hold the result back, nor everything else that the application does.
   */
  finish(): void {
    // A socket that has seen the end has closed the descriptor, whose number may be another's by now.
    if (this.#fd >= 0 && this.#socket?.destroyed !== true) this.#drain();
    this.dispose();
  }

  /** Ends the stream with what was read so far. */
  dispose(): void {
    if (!this.#isFinished) this.#stream?.push(null);
    this.#isFinished = true;
    if (this.#socket !== undefined) this.#socket.destroy();
    else if (this.#fd >= 0) closeDescriptor(this.#fd);
    this.#fd = -1;
  }

  #keep(chunk: Buffer): void {
    const kept = this.#budget.take(chunk);
    if (kept.length === 0) return;
    this.#chunks.push(kept);
    if (this.#stream?.push(kept) === false) this.#socket?.pause();
  }

  #drain(): void {
    this.#socket?.pause();
    // What the socket has read and kept because the stream is full; read() hands it to the 'data' listener.
    while ((this.#socket?.read() ?? null) !== null);
    try {
      for (let left = mostInPipe(); left > 0;) {
        const buffer = Buffer.allocUnsafe(CHUNK);
        const length = readSync(this.#fd, buffer);
        if (length === 0) return;
        this.#keep(buffer.subarray(0, length));
        left -= length;
      }
    } catch {
      // EAGAIN: empty, and somebody else still holds it. EIO: a terminal's end.
    }
  }
}

function openPipe(fd: number): Socket {
  return new Socket({ fd, readable: true, writable: false });
}
