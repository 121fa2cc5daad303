import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { CloisterError } from '../errors.js';
import type { IdMapEntry } from '../native/plan.js';
import { fileError } from '../shared/file-error.js';
import { makeDirectory } from '../shared/make-directory.js';

/** Ids of one sandbox: as many as a 16-bit system has, user_namespaces(7). */
export const RANGE_SIZE = 65_536;

/** Above what `useradd` gives to people (subuid: 100,000…) and below systemd-nspawn's and systemd's foreign ranges end. */
const FIRST_ID = 0x7000_0000;
const RANGES_PER_BLOCK = 256;
const BLOCKS = 128;

/** One sandbox's ids on the host. */
export interface IdRange extends Disposable {
  readonly base: number;
  readonly map: readonly IdMapEntry[];
}

/**
 * Hands out ranges that no other sandbox of this machine uses at the same time.
 *
 * A process locks whole blocks of ranges (`F_OFD_SETLK`: released by the kernel if it crashes) and shares them out by
 * itself. Ranges return last-in first-out, so that what the launcher prepared for one is used again.
 */
export class IdRanges {
  readonly #directory: string;
  readonly #tryLock: (fd: number) => boolean;
  readonly #free: number[] = [];
  readonly #locks: number[] = [];
  #nextBlock = 0;
  /** Kept for the next `take()`. */
  #next: number | undefined;

  /** @param directory - of the lock files, shared by all processes of this host. */
  constructor(directory: string, tryLock: (fd: number) => boolean) {
    this.#directory = directory;
    this.#tryLock = tryLock;
  }

  /** @throws CloisterError `ERR_UNSUPPORTED` when all 32,768 ranges are taken. */
  take(): IdRange {
    const index = this.#next ?? this.#free.pop() ?? this.#lockBlock();
    this.#next = this.#free.pop();
    const base = FIRST_ID + index * RANGE_SIZE;
    let isTaken = true;
    return {
      base,
      map: [{ inside: 0, outside: base, count: RANGE_SIZE }],
      [Symbol.dispose]: () => {
        if (isTaken) this.#free.push(index);
        isTaken = false;
      },
    };
  }

  /** The base of the range that `take()` gives next; undefined when it would have to look for one. */
  get nextBase(): number | undefined {
    return this.#next === undefined ? undefined : FIRST_ID + this.#next * RANGE_SIZE;
  }

  dispose(): void {
    for (const fd of this.#locks.splice(0)) closeSync(fd);
    this.#free.length = 0;
    this.#next = undefined;
    this.#nextBlock = 0;
  }

  /** Locks the next block that nobody has; returns the index of its first range and frees the others. */
  #lockBlock(): number {
    makeDirectory(this.#directory, 0o700);
    for (; this.#nextBlock < BLOCKS; this.#nextBlock++) {
      const fd = openLock(join(this.#directory, `${this.#nextBlock}.lock`));
      if (!this.#tryLock(fd)) {
        closeSync(fd);
        continue;
      }
      this.#locks.push(fd);
      const first = this.#nextBlock++ * RANGES_PER_BLOCK;
      for (let i = RANGES_PER_BLOCK - 1; i > 0; i--) this.#free.push(first + i);
      return first;
    }
    throw new CloisterError('ERR_UNSUPPORTED', `all ${BLOCKS * RANGES_PER_BLOCK} id ranges of this host are in use`, {
      subject: this.#directory,
      hint: 'remove sandboxes that are not needed any more, or end the application that keeps them',
    });
  }
}

function openLock(path: string): number {
  try {
    return openSync(path, 'a', 0o600);
  } catch (error) {
    throw fileError(error, path);
  }
}
