import { createReadStream } from 'node:fs';
import { chmod, mkdir, open, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { unpackArchive, type Unpacked, type UnpackOptions } from '../native/layers.js';
import { throwIfAborted } from '../shared/abort.js';
import { fileError } from '../shared/file-error.js';
import type { LayerArchive } from '../shared/snapshotter.js';

/** Reads and writes of this size keep a disk busy, and no more of an archive than that is in memory. */
export const CHUNK_BYTES = 256 * 1024;

const WRITING = { highWaterMark: 4 * CHUNK_BYTES };

/** One that pipeline() may add its listener to: AbortSignal.any() adds none to the caller's. */
const own = (signal: AbortSignal | undefined): AbortSignal => AbortSignal.any(signal === undefined ? [] : [signal]);

/**
 * Writes an archive to a file that is new or empty.
 *
 * @returns its size in bytes.
 * @throws what `archive` throws; CloisterError `ERR_ABORTED`, `ERR_KERNEL` such as `ENOSPC`.
 */
export async function writeArchive(archive: LayerArchive, path: string, signal?: AbortSignal): Promise<number> {
  throwIfAborted(signal, 'storing a layer');
  try {
    await using file = await open(path, 'a', 0o600);
    if (archive.writeTo !== undefined) await archive.writeTo(file.fd, signal);
    else await pipeline(archive, file.createWriteStream(WRITING), { signal: own(signal) });
  } catch (error) {
    throwIfAborted(signal, 'storing a layer');
    throw fileError(error, path);
  }
  return (await stat(path)).size;
}

export function readArchive(path: string): AsyncIterable<Uint8Array> {
  return createReadStream(path, { highWaterMark: CHUNK_BYTES });
}

/** An empty directory to be a root file system: mode 0755 where no layer says otherwise, whatever the application's umask is. */
export async function makeRoot(path: string): Promise<void> {
  await mkdir(path);
  await chmod(path, 0o755);
}

/** Unpacks an archive into a directory. */
export async function unpackInto(
  archive: LayerArchive,
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
