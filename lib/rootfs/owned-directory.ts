import { randomBytes } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { open, readdir, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { removeTree } from '../native/layers.js';
import { fileError } from '../shared/file-error.js';
import { isOwnerAlive, newOwnerLabel, parseOwner } from '../shared/owner.js';
import { makeDirectory } from '../shared/make-directory.js';

/**
 * A directory in which every process has one of its own, for what must not outlive it: drafts, writable layers.
 * What a killed process left is removed by the next one.
 */
export class OwnedDirectory {
  readonly #path: string;
  #own: string | undefined;
  readonly #left = new Set<string>();

  constructor(path: string) {
    this.#path = path;
  }

  /** A new empty directory that goes with this process, mode 0700. */
  make(name = randomBytes(8).toString('hex')): string {
    if (this.#own === undefined) void this.sweep().catch(() => undefined);
    this.#own ??= join(this.#path, newOwnerLabel());
    const path = join(this.#own, name);
    makeDirectory(this.#own, 0o700);
    makeDirectory(path, 0o700);
    return path;
  }

  /** Removes one that `make` made; its content may be hostile. One that cannot be removed goes with the next. */
  async remove(path: string): Promise<void> {
    try {
      await removeAll(path);
    } catch (error) {
      this.#left.add(path);
      throw error;
    }
    for (const other of this.#left) if (await isRemoved(other)) this.#left.delete(other);
    // The last one takes the owner's directory along; while others are in it this is refused.
    if (this.#own !== undefined) await rmdir(this.#own).catch(() => undefined);
  }

  /** Removes what owners that are gone have left behind. */
  async sweep(): Promise<void> {
    if (!existsSync(this.#path)) return;
    for (const label of await readdir(this.#path)) {
      if (parseOwner(label) !== undefined && !isOwnerAlive(label)) await removeAll(join(this.#path, label));
    }
  }
}

async function isRemoved(path: string): Promise<boolean> {
  return removeAll(path).then(
    () => true,
    () => false,
  );
}

/** What lies there may be hostile: it is removed by descriptor, never by path. */
async function removeAll(path: string): Promise<void> {
  const parent = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY).catch((error: unknown) => {
    throw fileError(error);
  });
  try {
    await removeTree(parent.fd, basename(path));
  } finally {
    await parent.close();
  }
}
