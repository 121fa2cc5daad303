import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { CloisterError } from '../errors.js';
import { makeDirectory } from '../shared/make-directory.js';
import { errnoOf, fileError, unlessMissing } from '../shared/file-error.js';
import type { LockFile } from '../shared/lock-file.js';
import { syncDirectory } from './blob-writer.js';
import { parseDescriptor, type Descriptor } from './descriptor.js';
import { asInteger, asText, own, parseJson } from './json-fields.js';
import { descriptorJson } from './write-documents.js';

/** What a name stands for. */
export interface ImageRecord {
  /** In full: `docker.io/library/debian:12`. */
  readonly reference: string;
  /** What the name stands for at its registry: a manifest, or an index for several platforms. */
  readonly target: Descriptor;
  /** The image that this machine runs by this name; `target` itself unless that is an index. */
  readonly manifest: Descriptor;
  /** Milliseconds since the epoch. */
  readonly updated: number;
}

/** All that a name leads to is got to from these. */
export const rootsOf = ({ target, manifest }: ImageRecord): readonly Descriptor[] => [target, manifest];

const MAX_RECORD_BYTES = 1 << 20;
const LOCK = 'image names';

/**
 * The names of images, one file each, shared by every process of the machine: `<directory>/<sha256 of the name>.json`.
 * Whoever writes a name holds a lease of all that it refers to, so that nothing of it is collected before the name is there.
 */
export class ImageNames {
  readonly #directory: string;
  readonly #locks: LockFile;

  constructor(directory: string, locks: LockFile) {
    this.#directory = directory;
    this.#locks = locks;
    try {
      makeDirectory(directory, 0o700);
    } catch (error) {
      throw fileError(error, directory);
    }
  }

  /** No name changes in any process until it is disposed. */
  async lock(signal?: AbortSignal): Promise<Disposable> {
    return this.#locks.lock(LOCK, 'exclusive', signal);
  }

  async get(reference: string): Promise<ImageRecord | undefined> {
    return readRecord(this.#path(reference));
  }

  /** In the order of their names. */
  async list(): Promise<readonly ImageRecord[]> {
    const files = (await this.#files()).filter((name) => name.endsWith('.json'));
    const records = await Promise.all(
      files.map(async (name) => {
        const path = join(this.#directory, name);
        const bytes = await unlessMissing(readFile(path));
        return bytes === undefined ? undefined : readableRecord(path, bytes);
      }),
    );
    return records.flatMap((record) => record ?? []).sort((a, b) => (a.reference < b.reference ? -1 : 1));
  }

  /** Replaces what the name stood for; all at once, and on disk when it resolves. */
  async put(record: ImageRecord, signal?: AbortSignal): Promise<void> {
    using _lock = await this.lock(signal);
    const path = this.#path(record.reference);
    const temporary = `${path}.${randomBytes(6).toString('hex')}`;
    try {
      await writeDurably(temporary, formatRecord(record));
      await rename(temporary, path);
      await syncDirectory(this.#directory);
    } catch (error) {
      await unlessMissing(unlink(temporary));
      throw fileError(error, path);
    }
  }

  /** Only while `lock` is held. */
  async delete(reference: string): Promise<void> {
    await unlessMissing(unlink(this.#path(reference)));
    await syncDirectory(this.#directory);
  }

  /** Removes what killed writers left, and what cannot be read. Only while `lock` is held. */
  async sweep(): Promise<void> {
    for (const name of await this.#files()) {
      const path = join(this.#directory, name);
      const isRecord = name.endsWith('.json') && readRecord(path) !== undefined;
      if (!isRecord && /\.json(\.[0-9a-f]{12})?$/.test(name)) await unlessMissing(unlink(path));
    }
  }

  async #files(): Promise<readonly string[]> {
    return (await unlessMissing(readdir(this.#directory))) ?? [];
  }

  #path(reference: string): string {
    return join(this.#directory, `${createHash('sha256').update(reference).digest('hex')}.json`);
  }
}

/** At once: every start of a sandbox reads one, a kilobyte that is in memory. */
function readRecord(path: string): ImageRecord | undefined {
  let bytes;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw fileError(error, path);
  }
  return readableRecord(path, bytes);
}

/** One that is damaged says no more than one that is missing. */
function readableRecord(path: string, bytes: Uint8Array): ImageRecord | undefined {
  try {
    return parseRecord(path, bytes);
  } catch (error) {
    if (CloisterError.is(error) && error.code === 'ERR_IMAGE_INVALID') return undefined;
    throw error;
  }
}

function formatRecord({ target, manifest, ...rest }: ImageRecord): string {
  return JSON.stringify({ ...rest, target: descriptorJson(target), manifest: descriptorJson(manifest) }, undefined, 2);
}

function parseRecord(path: string, bytes: Uint8Array): ImageRecord {
  const fields = parseJson(path, bytes, MAX_RECORD_BYTES);
  return Object.freeze({
    reference: asText(`${path}: reference`, own(fields, 'reference')),
    target: parseDescriptor(`${path}: target`, own(fields, 'target')),
    manifest: parseDescriptor(`${path}: manifest`, own(fields, 'manifest')),
    updated: asInteger(`${path}: updated`, own(fields, 'updated'), [0, Number.MAX_SAFE_INTEGER]),
  });
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
