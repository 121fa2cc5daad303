import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pack } from 'tar-stream';
import { throwIfAborted } from '../../shared/abort.js';
import { deferred } from '../../shared/deferred.js';
import { fileError } from '../../shared/file-error.js';
import { writeChunks } from '../blob-file.js';
import type { Drain } from './appear.js';

/** Where the files of an archive go. */
export interface FileSink {
  /** @param name - relative, each only once. @param size - of all chunks together. */
  file(name: string, size: number, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** All of it is on disk when it resolves. */
  finish(): Promise<void>;
}

/** The same images make the same archive, whenever that is. */
const MTIME = new Date(0);

/** Files of a tar archive. */
export class TarSink implements FileSink {
  readonly #pack = pack();
  readonly #drain: Drain;
  #draining: Promise<void> | undefined;

  /** @param drain - takes the archive, from the first file on. */
  constructor(drain: Drain) {
    this.#drain = drain;
  }

  async file(name: string, size: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const draining = this.#start();
    const written = deferred<void>();
    written.promise.catch(() => undefined);
    try {
      const sink = this.#pack.entry({ name, size, mode: 0o644, mtime: MTIME }, (error) => {
        if (error === null || error === undefined) written.resolve();
        else written.reject(error);
      });
      sink.on('error', () => undefined);
      for await (const chunk of chunks) {
        if (sink.write(chunk)) continue;
        await Promise.race([new Promise<void>((done) => sink.once('drain', () => done())), written.promise, draining]);
      }
      sink.end(undefined);
      await Promise.race([written.promise, draining]);
    } catch (error) {
      // Where the archive goes has failed: an entry only sees that it ends.
      const isConsequence = this.#pack.destroyed;
      this.#pack.destroy(error as Error);
      await draining.catch((reason: unknown) => {
        if (isConsequence) throw reason;
      });
      throw error;
    }
  }

  async finish(): Promise<void> {
    const draining = this.#start();
    this.#pack.finalize();
    await draining;
  }

  #start(): Promise<void> {
    if (this.#draining !== undefined) return this.#draining;
    this.#draining = this.#drain(this.#pack as AsyncIterable<Uint8Array>);
    this.#draining.catch((error: unknown) => this.#pack.destroy(error as Error));
    return this.#draining;
  }
}

/** Files below a directory. */
export class DirectorySink implements FileSink {
  readonly #path: string;

  /** @param path - of an empty directory. */
  constructor(path: string) {
    this.#path = path;
  }

  async file(name: string, _size: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const path = join(this.#path, name);
    try {
      await mkdir(dirname(path), { recursive: true });
      await using file = await open(path, 'wx', 0o644);
      await writeChunks(file, chunks);
    } catch (error) {
      throw fileError(error, path);
    }
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }
}

/** A small document as what a sink takes. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The chunks until somebody aborts. */
export async function* whileWanted(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    throwIfAborted(signal, 'saving images');
    yield chunk;
  }
}
