import { CloisterError } from '../../errors.js';

/** Largest documents of archives; what says more is an attack. */
export const MAX_DOCUMENT_BYTES = 4 * 2 ** 20;

/** The files that images are kept in, by name: a directory, or an archive of one. What it holds is a stranger's. */
export interface ArchiveFiles extends AsyncDisposable {
  /** For messages: where it is. */
  readonly subject: string;
  /**
   * @param name - relative, of plain parts.
   * @returns undefined when there is nothing of that name.
   * @throws CloisterError `ERR_IMAGE_INVALID` for something else than a file.
   */
  find(name: string): Promise<ArchiveFile | undefined>;
}

export interface ArchiveFile {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Its bytes from there on, `size` of them or an error `ERR_IMAGE_INVALID`. */
  read(start: number, signal: AbortSignal | undefined): AsyncIterable<Uint8Array>;
}

export function invalidArchive(subject: string, problem: string, details: { hint?: string; cause?: unknown } = {}) {
  return new CloisterError('ERR_IMAGE_INVALID', `${subject}: ${problem}`, { subject, ...details });
}

/** @throws CloisterError `ERR_IMAGE_INVALID` when it is not there. */
export async function requireFile(files: ArchiveFiles, name: string): Promise<ArchiveFile> {
  const file = await files.find(name);
  if (file === undefined) throw invalidArchive(files.subject, `${name} is missing`);
  return file;
}

/** A document as a whole. @throws CloisterError `ERR_IMAGE_INVALID` for one of more bytes. */
export async function readDocument(
  files: ArchiveFiles,
  file: ArchiveFile,
  signal: AbortSignal | undefined,
  maxBytes: number = MAX_DOCUMENT_BYTES,
): Promise<Buffer> {
  if (file.size > maxBytes)
    throw invalidArchive(files.subject, `${file.name} has ${file.size} bytes, at most ${maxBytes} are read`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.read(0, signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
