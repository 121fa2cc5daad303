import type { FileHandle } from 'node:fs/promises';
import { posix } from 'node:path';
import { extract, type Header } from 'tar-stream';
import { CloisterError } from '../../errors.js';
import { throwIfAborted } from '../../shared/abort.js';
import { readChunks } from '../blob-file.js';
import { invalidArchive, type ArchiveFile, type ArchiveFiles } from './files.js';

const HEADER_BYTES = 512;
const MAX_ENTRIES = 65_536;
const MAX_NAME = 1024;

/** As many as Linux follows, path_resolution(7). */
const MAX_LINKS = 40;

interface Link {
  readonly kind: 'hard' | 'symbolic';
  /** Another entry, whether there is one or not; undefined for what is outside of the archive. */
  readonly target: string | undefined;
}

type Entry = { readonly offset: number; readonly size: number } | Link;

/** Without `.` and empty parts; undefined for a name that leads elsewhere. */
export function plainName(name: string): string | undefined {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  const isWrong = name.startsWith('/') || parts.includes('..') || name.includes('\0') || name.length > MAX_NAME;
  return isWrong ? undefined : parts.join('/');
}

function symlinkTarget(name: string, text: string): string | undefined {
  return text.startsWith('/') ? undefined : plainName(posix.join(posix.dirname(name), text));
}

/** What a header says, or why it is not taken. */
function entryOf(header: Header, offset: number): Entry | 'directory' | undefined {
  const { name, type, size } = header;
  // Unlike its types, the reader has no text for an empty field.
  const link = (header as { readonly linkname: string | null }).linkname ?? '';
  if (type === 'directory') return 'directory';
  if (type === 'link') return { kind: 'hard', target: plainName(link) };
  if (type === 'symlink') return { kind: 'symbolic', target: symlinkTarget(name, link) };
  return type === 'file' || type === 'contiguous-file' ? { offset, size } : undefined;
}

class Listing {
  readonly entries = new Map<string, Entry>();
  readonly #subject: string;
  #count = 0;

  constructor(subject: string) {
    this.#subject = subject;
  }

  /** @throws CloisterError `ERR_IMAGE_INVALID` */
  add(header: Header, offset: number): void {
    if (++this.#count > MAX_ENTRIES) throw this.#refuse(`more than ${MAX_ENTRIES} entries`);
    const shown = JSON.stringify(header.name.slice(0, 120));
    const name = plainName(header.name);
    if (name === undefined) throw this.#refuse(`the entry ${shown} leads out of the archive`);
    const entry = entryOf(header, offset);
    if (entry === undefined) throw this.#refuse(`the entry ${shown} is neither a file, a directory nor a link`);
    if (entry === 'directory') return;
    if (name === '') throw this.#refuse('an entry without a name');
    if (this.entries.has(name)) throw this.#refuse(`two entries are called ${shown}`);
    this.entries.set(name, entry);
  }

  #refuse(problem: string): CloisterError {
    return invalidArchive(this.#subject, problem, { hint: 'do not trust where this archive comes from' });
  }
}

/** Reads all of an archive for where its files are. */
async function list(file: FileHandle, subject: string, signal: AbortSignal | undefined): Promise<Listing> {
  const listing = new Listing(subject);
  const reader = extract();
  reader.on('entry', (header, source, next) => {
    // The reader tells the same.
    source.on('error', () => undefined);
    try {
      listing.add(header, source.offset + HEADER_BYTES);
      source.on('end', () => next()).resume();
    } catch (error) {
      next(error as Error);
    }
  });
  const end = new Promise<void>((resolve, reject) => reader.on('finish', resolve).on('error', reject));
  end.catch(() => undefined);
  try {
    for await (const chunk of readChunks(file)) {
      throwIfAborted(signal, `reading ${subject}`);
      if (!reader.write(chunk))
        await Promise.race([end, new Promise<void>((done) => reader.once('drain', () => done()))]);
    }
    reader.end(undefined);
    await end;
  } catch (error) {
    reader.destroy();
    if (CloisterError.is(error)) throw error;
    throw invalidArchive(subject, `it is no whole tar archive: ${(error as Error).message}`, { cause: error });
  }
  return listing;
}

/** A tar archive, read where it lies: nothing of it is unpacked. */
export class TarFiles implements ArchiveFiles {
  readonly subject: string;
  readonly #file: FileHandle;
  readonly #entries: ReadonlyMap<string, Entry>;

  private constructor(subject: string, file: FileHandle, entries: ReadonlyMap<string, Entry>) {
    this.subject = subject;
    this.#file = file;
    this.#entries = entries;
  }

  /**
   * Takes over the file, also when it fails.
   *
   * @throws CloisterError `ERR_IMAGE_INVALID` for what is truncated, no tar archive, or has entries that no image has.
   */
  static async open(file: FileHandle, subject: string, signal: AbortSignal | undefined): Promise<TarFiles> {
    try {
      return new TarFiles(subject, file, (await list(file, subject, signal)).entries);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Through hard links, which are files as any other. */
  async find(name: string): Promise<ArchiveFile | undefined> {
    const target = this.#lead(name, ['hard']);
    const entry = this.#entries.get(target);
    if (entry === undefined) return undefined;
    if ('target' in entry) throw invalidArchive(this.subject, `${name} is a symbolic link, not a file`);
    return {
      name: target,
      size: entry.size,
      read: (start, signal) => this.#read(target, entry.offset, entry.size, start, signal),
    };
  }

  /**
   * Where links of both kinds lead to within the archive: Docker once wrote a layer of two images as a symbolic link, and tar
   * writes hard links when it packs files with several names. The name itself for anything else.
   *
   * @throws CloisterError `ERR_IMAGE_INVALID` for one that leads out of the archive, to nothing or in a circle.
   */
  follow(name: string): string {
    return this.#lead(name, ['hard', 'symbolic']);
  }

  #lead(name: string, kinds: readonly Link['kind'][]): string {
    let at = name;
    for (let links = 0; links <= MAX_LINKS; links++) {
      const entry = this.#entries.get(at);
      if (entry === undefined && at !== name) throw this.#misleads(name, `to ${at}, which is no file of the archive`);
      if (entry === undefined || !('target' in entry) || !kinds.includes(entry.kind)) return at;
      if (entry.target === undefined) throw this.#misleads(name, 'out of the archive');
      at = entry.target;
    }
    throw this.#misleads(name, `in a circle, or through more than ${MAX_LINKS} others`);
  }

  #misleads(name: string, where: string): CloisterError {
    return invalidArchive(this.subject, `expected a file called ${name}, got a link that leads ${where}`, {
      hint: 'pack the archive again, with the file itself, or let the tool that made it write another',
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#file.close();
  }

  async *#read(
    name: string,
    offset: number,
    size: number,
    start: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    let missing = size - start;
    for await (const chunk of readChunks(this.#file, { start: offset + start, end: offset + size })) {
      throwIfAborted(signal, `reading ${this.subject}`);
      missing -= chunk.length;
      yield chunk;
    }
    if (missing > 0) throw invalidArchive(this.subject, `${name} became shorter while it was read`);
  }
}
