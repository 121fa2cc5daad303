import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { invalidOption } from '../../errors.js';
import { throwIfAborted } from '../../shared/abort.js';
import { fileError, unlessMissing } from '../../shared/file-error.js';
import { writeChunks } from '../blob-file.js';
import { syncDirectory } from '../blob-writer.js';

/** Beside the path, so that it can be renamed to it. */
function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path).slice(0, 200)}.cloister-${randomBytes(6).toString('hex')}`);
}

async function lookAt(path: string) {
  const parent = await unlessMissing(stat(dirname(path)));
  if (parent?.isDirectory() !== true) throw invalidOption('target', 'a path in a directory that exists', path);
  return unlessMissing(stat(path));
}

async function appear(path: string, temporary: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw fileError(error, path);
  }
}

/**
 * Makes a file that is there whole, on disk, or not at all; one of that name is replaced.
 *
 * @throws CloisterError `ERR_INVALID_OPTION` for a path that cannot be a file, `ERR_KERNEL`, and what `write` throws.
 */
async function writeNewFile(given: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const path = resolve(given);
  const there = await lookAt(path);
  if (there !== undefined && !there.isFile())
    throw invalidOption('target', 'a path of a file, or of nothing yet', given);
  const temporary = temporaryName(path);
  await appear(path, temporary, async () => {
    const file = await open(temporary, 'wx', 0o644);
    try {
      await write(file);
    } finally {
      await file.close();
    }
  });
}

/** Takes all bytes of an archive; they are where they belong when it resolves. */
export type Drain = (chunks: AsyncIterable<Uint8Array>) => Promise<void>;

/**
 * Makes an archive: a file that is there whole or not at all, or what goes into a stream of the caller's. That is ended with the
 * archive and destroyed with a failure, unless it fails before its first byte.
 *
 * @throws CloisterError as `writeNewFile`; what the stream fails with.
 */
export async function writeNewArchive(
  target: string | NodeJS.WritableStream,
  signal: AbortSignal | undefined,
  write: (drain: Drain) => Promise<void>,
): Promise<void> {
  if (typeof target === 'string') return writeNewFile(target, (file) => write((chunks) => writeChunks(file, chunks)));
  await write(async (chunks) => {
    try {
      // A signal of its own: pipeline() adds a listener, and an application may use one signal for many calls.
      await pipeline(chunks, target, { signal: AbortSignal.any(signal === undefined ? [] : [signal]) });
    } catch (error) {
      throwIfAborted(signal, 'writing an archive');
      throw error;
    }
  });
}

/**
 * Makes a directory that is there whole or not at all.
 *
 * @throws CloisterError `ERR_INVALID_OPTION` for a path where something is, unless it is an empty directory.
 */
export async function writeNewDirectory(given: string, write: (directory: string) => Promise<void>): Promise<void> {
  const path = resolve(given);
  const there = await lookAt(path);
  if (there !== undefined && !(there.isDirectory() && (await readdir(path)).length === 0))
    throw invalidOption('target', 'a path of an empty directory, or of nothing yet', given);
  const temporary = temporaryName(path);
  await appear(path, temporary, async () => {
    await mkdir(temporary);
    await write(temporary);
  });
}
