import { open, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { packArchive } from '../native/pack.js';
import { makeRoot, unpackInto } from './archive-file.js';
import { OwnedDirectory } from './owned-directory.js';

/**
 * Makes one tree of several layers, for a moment: whiteouts are applied, and what a layer replaces is gone. It needs no more than
 * a file system, whichever driver keeps the layers.
 */
export class FlatRoots {
  readonly #directory: OwnedDirectory;

  /** @param directory - absolute; what a killed process left in it is swept. */
  constructor(directory: string) {
    this.#directory = new OwnedDirectory(directory);
  }

  /**
   * The tree as one uncompressed tar archive.
   *
   * @param archives - of the layers, uncompressed, bottom first.
   * @throws CloisterError `ERR_LAYER_INVALID`, `ERR_KERNEL` for a full disk, `ERR_ABORTED`, and what the archives throw.
   */
  async *archive(
    archives: readonly AsyncIterable<Uint8Array>[],
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    const draft = this.#directory.make();
    const tree = join(draft, 'root');
    try {
      await makeRoot(tree);
      let hasRoot = false;
      for (const archive of archives) {
        const unpacked = await unpackInto(archive, tree, { whiteouts: 'apply', ...(signal && { signal }) });
        hasRoot ||= unpacked.hasRoot;
      }
      // The same image makes the same archive, whenever that is.
      if (!hasRoot) await utimes(tree, 0, 0);
      const directory = await open(tree, 'r');
      try {
        yield* packArchive(directory.fd, { signal });
      } finally {
        await directory.close();
      }
    } finally {
      await this.#directory.remove(draft);
    }
  }
}
