import { constants } from 'node:fs';
import { lstat, open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { throwIfAborted } from '../../shared/abort.js';
import { errnoOf, fileError, unlessMissing } from '../../shared/file-error.js';
import { readChunks } from '../blob-file.js';
import { invalidArchive, type ArchiveFile, type ArchiveFiles } from './files.js';

/** A directory, whose files are read where they are; no link in it is followed. */
export class DirectoryFiles implements ArchiveFiles {
  readonly subject: string;
  readonly #directories = new Set<string>();

  constructor(path: string) {
    this.subject = path;
  }

  async find(name: string): Promise<ArchiveFile | undefined> {
    if (!(await this.#hasParents(name))) return undefined;
    const about = await this.#look(name);
    if (about === undefined) return undefined;
    if (!about.isFile()) throw invalidArchive(this.subject, `${name} is not a file`);
    return { name, size: about.size, read: (start, signal) => this.#read(name, about.size, start, signal) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  /** @throws CloisterError `ERR_IMAGE_INVALID` when one is a link or anything else. */
  async #hasParents(name: string): Promise<boolean> {
    const parts = name.split('/').slice(0, -1);
    for (const [index] of parts.entries()) {
      const parent = parts.slice(0, index + 1).join('/');
      if (this.#directories.has(parent)) continue;
      const about = await this.#look(parent);
      if (about === undefined) return false;
      if (!about.isDirectory()) throw invalidArchive(this.subject, `${parent} is not a directory`);
      this.#directories.add(parent);
    }
    return true;
  }

  async #look(name: string) {
    try {
      return await unlessMissing(lstat(join(this.subject, name)));
    } catch (error) {
      throw fileError(error, join(this.subject, name));
    }
  }

  async *#read(name: string, size: number, start: number, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    const file = await this.#open(name);
    try {
      let missing = size - start;
      for await (const chunk of readChunks(file, { start, end: size })) {
        throwIfAborted(signal, `reading ${this.subject}`);
        missing -= chunk.length;
        yield chunk;
      }
      if (missing > 0) throw invalidArchive(this.subject, `${name} became shorter while it was read`);
    } finally {
      await file.close();
    }
  }

  /** Somebody may have exchanged it: opening a pipe must not wait, and a link is not followed. */
  async #open(name: string): Promise<FileHandle> {
    const path = join(this.subject, name);
    try {
      const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      if ((await file.stat()).isFile()) return file;
      await file.close();
    } catch (error) {
      if (errnoOf(error) !== 'ELOOP') throw fileError(error, path);
    }
    throw invalidArchive(this.subject, `${name} is not a file`);
  }
}
