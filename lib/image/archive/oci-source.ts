import { createHash } from 'node:crypto';
import { CloisterError } from '../../errors.js';
import { splitDigest } from '../../shared/digest.js';
import type { BlobSource } from '../blob-source.js';
import type { Descriptor } from '../descriptor.js';
import type { NewContent } from '../new-content.js';
import { readDocument, requireFile, type ArchiveFile, type ArchiveFiles } from './files.js';
import { blobName } from './oci-layout.js';

export function wrongBlob(subject: string, name: string, problem: string): CloisterError {
  return new CloisterError('ERR_DIGEST_MISMATCH', `${subject}: ${name} ${problem}`, {
    subject,
    hint: 'the archive is damaged, or was put together by somebody who hoped that nobody looks',
  });
}

/** The blobs of an OCI layout. @param fresh - told of its documents. */
export function layoutSource(files: ArchiveFiles, fresh: NewContent): BlobSource {
  const { subject } = files;
  const find = async ({ digest, size }: Descriptor): Promise<ArchiveFile> => {
    const file = await requireFile(files, blobName(digest));
    if (file.size !== size) throw wrongBlob(subject, file.name, `has ${file.size} bytes instead of ${size}`);
    return file;
  };
  return {
    blob: async function* (descriptor, { from, signal }) {
      yield* (await find(descriptor)).read(from?.offset ?? 0, signal);
    },
    manifest: async (descriptor, signal) => {
      const file = await find(descriptor);
      await fresh.expectBlobs([descriptor]);
      const bytes = await readDocument(files, file, signal);
      const [algorithm, hex] = splitDigest(descriptor.digest);
      const found = createHash(algorithm).update(bytes).digest('hex');
      if (found !== hex) throw wrongBlob(subject, file.name, `has the digest ${algorithm}:${found}`);
      return bytes;
    },
  };
}
