import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pack } from 'tar-stream';
import { throwIfAborted } from '../../shared/abort.js';
import { deferred } from '../../shared/deferred.js';
import { fileError } from '../../shared/file-error.js';
import { FileAppender } from '../blob-file.js';

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
  readonly #file: FileHandle;
  readonly #draining: Promise<void>;
  /** Why nothing can be written any more: the entries only see that they end. */
  #failure: unknown;

  /** @param file - empty; stays the caller's. */
  constructor(file: FileHandle) {
    this.#file = file;
    this.#draining = this.#drain();
    this.#draining.catch((error: unknown) => this.#pack.destroy(error as Error));
  }

  async file(name: string, size: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const written = deferred<void>();
    written.promise.catch(() => undefined);
    const sink = this.#pack.entry({ name, size, mode: 0o644, mtime: MTIME }, (error) => {
      if (error === null || error === undefined) written.resolve();
      else written.reject(error);
    });
    sink.on('error', () => undefined);
    try {
      for await (const chunk of chunks) {
        if (sink.write(chunk)) continue;
        await Promise.race([
          new Promise<void>((done) => sink.once('drain', () => done())),
          written.promise,
          this.#draining,
        ]);
      }
      sink.end(undefined);
      await Promise.race([written.promise, this.#draining]);
    } catch (error) {
      this.#pack.destroy(error as Error);
      await this.#draining.catch(() => undefined);
      throw this.#failure ?? error;
    }
  }

  async finish(): Promise<void> {
    this.#pack.finalize();
    await this.#draining;
    await this.#file.sync();
  }

  async #drain(): Promise<void> {
    const output = new FileAppender(this.#file, 0);
    try {
      for await (const chunk of this.#pack as AsyncIterable<Uint8Array>) await this.#kept(output.write(chunk));
      await this.#kept(output.flush());
    } finally {
      await output.settle();
    }
  }

  async #kept(writing: Promise<void>): Promise<void> {
    try {
      await writing;
    } catch (error) {
      this.#failure = error;
      throw error;
    }
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
      const file = await open(path, 'wx', 0o644);
      const output = new FileAppender(file, 0);
      try {
        for await (const chunk of chunks) await output.write(chunk);
        await output.flush();
        await file.sync();
      } finally {
        await output.settle();
        await file.close();
      }
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
