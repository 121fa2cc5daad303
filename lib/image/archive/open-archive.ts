import { constants, type Stats } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { CloisterError, invalidOption } from '../../errors.js';
import { throwIfAborted } from '../../shared/abort.js';
import { fileError, unlessMissing } from '../../shared/file-error.js';
import { FileAppender, readChunks } from '../blob-file.js';
import { readSource, type ByteSource } from '../byte-source.js';
import type { ContentStore } from '../content-store.js';
import { decompress, detectCompression } from '../decompress.js';
import { DirectoryFiles } from './directory-files.js';
import { invalidArchive } from './files.js';
import { TarFiles } from './tar-files.js';

/** What messages call an archive that has no path. */
export const STREAM = 'the stream';

/** More than that much uncompressed is an attack. */
const MAX_BYTES = 256 * 2 ** 30;

function kindOf(about: Stats): string {
  if (about.isFIFO()) return 'a FIFO';
  if (about.isSocket()) return 'a socket';
  return about.isFile() || about.isDirectory() ? 'a file or directory' : 'a device';
}

/**
 * A regular file that exists, opened. A device or a FIFO is refused unopened: that could have consequences, or never end.
 *
 * @returns undefined for a directory.
 * @throws CloisterError `ERR_INVALID_OPTION` naming the option, `ERR_KERNEL`
 */
export async function openRegular(option: string, path: string, expected: string): Promise<FileHandle | undefined> {
  try {
    const about = await unlessMissing(stat(path));
    if (about === undefined) throw invalidOption(option, `${expected} that exists`, path);
    if (about.isDirectory()) return undefined;
    if (about.isFile()) {
      const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      if ((await file.stat()).isFile()) return file;
      await file.close();
    }
    throw invalidOption(option, expected, path, `it is ${kindOf(about)}`);
  } catch (error) {
    throw fileError(error, path);
  }
}

/** The uncompressed archive, in a file without a name. */
async function inflate(
  content: ContentStore,
  chunks: ByteSource,
  subject: string,
  signal: AbortSignal | undefined,
): Promise<FileHandle> {
  const scratch = await content.scratchFile();
  try {
    const output = new FileAppender(scratch, 0);
    let bytes = 0;
    for await (const chunk of decompress(chunks)) {
      throwIfAborted(signal, `reading ${subject}`);
      bytes += chunk.length;
      if (bytes > MAX_BYTES) throw invalidArchive(subject, `more than ${MAX_BYTES} bytes uncompressed`);
      await output.write(chunk);
    }
    await output.flush();
    return scratch;
  } catch (error) {
    await scratch.close();
    if (CloisterError.is(error) && error.code === 'ERR_LAYER_INVALID')
      throw invalidArchive(subject, 'its compressed data is damaged', { cause: error });
    throw fileError(error, subject);
  }
}

/**
 * Opens what images were saved to: a directory, or a tar archive, plain or with gzip or zstd. An archive that comes as a stream
 * goes to a file without a name first: what its first entry means, its last one may say.
 *
 * @throws CloisterError `ERR_INVALID_OPTION` for a path that is neither, `ERR_IMAGE_INVALID` for what is damaged, `ERR_KERNEL`,
 * `ERR_ABORTED`
 */
export async function openArchive(
  content: ContentStore,
  source: string | ByteSource,
  signal: AbortSignal | undefined,
): Promise<DirectoryFiles | TarFiles> {
  if (typeof source !== 'string') {
    const chunks = readSource(source, 'source', `reading ${STREAM}`, signal);
    return TarFiles.open(await inflate(content, chunks, STREAM, signal), STREAM, signal);
  }
  const path = source;
  const file = await openRegular('source', path, 'an archive of images, or a directory with an OCI layout,');
  if (file === undefined) return new DirectoryFiles(path);
  const start = Buffer.alloc(8);
  const { bytesRead } = await file.read(start, 0, start.length, 0);
  if (detectCompression(start.subarray(0, bytesRead)) === 'none') return TarFiles.open(file, path, signal);
  try {
    return await TarFiles.open(await inflate(content, readChunks(file), path, signal), path, signal);
  } finally {
    await file.close();
  }
}
