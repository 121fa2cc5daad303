import { createReadStream, createWriteStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { unpackArchive, type Unpacked, type UnpackOptions } from '../native/layers.js';
import { throwIfAborted } from '../shared/abort.js';
import { fileError } from '../shared/file-error.js';

/** Reads and writes of this size keep a disk busy, and no more of an archive than that is in memory. */
export const CHUNK_BYTES = 256 * 1024;

/**
 * Writes an archive to a new file.
 *
 * @returns its size in bytes.
 * @throws what `archive` throws; CloisterError `ERR_ABORTED`, `ERR_KERNEL` such as `ENOSPC`.
 */
export async function writeArchive(
  archive: AsyncIterable<Uint8Array>,
  path: string,
  signal?: AbortSignal,
): Promise<number> {
  throwIfAborted(signal, 'storing a layer');
  const file = createWriteStream(path, { flags: 'wx', mode: 0o600, highWaterMark: 4 * CHUNK_BYTES });
  try {
    await pipeline(archive, file, signal === undefined ? {} : { signal });
  } catch (error) {
    throwIfAborted(signal, 'storing a layer');
    throw fileError(error, path);
  }
  return (await stat(path)).size;
}

export function readArchive(path: string): AsyncIterable<Uint8Array> {
  return createReadStream(path, { highWaterMark: CHUNK_BYTES });
}

/** Unpacks an archive into a directory. */
export async function unpackInto(
  archive: AsyncIterable<Uint8Array>,
  path: string,
  options: UnpackOptions & { readonly signal?: AbortSignal },
): Promise<Unpacked> {
  const directory = await open(path, 'r');
  try {
    return await unpackArchive(archive, directory.fd, options);
  } finally {
    await directory.close();
  }
}
