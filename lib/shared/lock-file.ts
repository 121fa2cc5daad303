import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { onAbort, throwIfAborted } from './abort.js';
import { fileError } from './file-error.js';

/** Any number of holders, or one alone. */
export type LockKind = 'shared' | 'exclusive';

/** fcntl(2) `F_OFD_SETLK` on a range of a file; false when another open file description is in the way. */
export type LockRange = (fd: number, kind: LockKind | 'none', start: number, length: number) => boolean;

const LONGEST_WAIT_MS = 50;

/** Where the lock of a key lies in the file. Two keys in one place, which anybody can look for, wait for each other without need. */
function placeOf(key: string): number {
  return createHash('sha256').update(key).digest().readUIntBE(0, 6);
}

/**
 * Locks by name between all processes that open the same file, released by the kernel when a process dies.
 *
 * A lock is one byte of the file, which stays empty: fcntl(2) allows locks beyond its end. Open-file-description locks belong
 * to a descriptor, not to a process, so two of these objects in one process exclude each other, too.
 */
export class LockFile implements Disposable {
  readonly #path: string;
  readonly #lockRange: LockRange;
  readonly #shared: LockGroup;
  /** Those who wait in this process need not find out by asking the kernel. */
  readonly #wakers = new Set<() => void>();

  /** @param path - made if it is missing; its directory must be there. */
  constructor(path: string, lockRange: LockRange) {
    this.#path = path;
    this.#lockRange = lockRange;
    this.#shared = this.group();
  }

  /** Undefined when somebody, this process included, is in the way. */
  tryLock(key: string, kind: LockKind): Disposable | undefined {
    if (kind === 'shared') return this.#shared.tryLock(key, kind);
    const own = this.group();
    if (own.tryLock(key, kind) !== undefined) return own;
    own[Symbol.dispose]();
    return undefined;
  }

  /** Waits for it. @param group - that the lock is to belong to. @throws CloisterError `ERR_ABORTED` */
  async lock(key: string, kind: LockKind, signal?: AbortSignal, group?: LockGroup): Promise<Disposable> {
    for (let round = 0; ; round++) {
      throwIfAborted(signal, 'waiting for another process');
      const held = group === undefined ? this.tryLock(key, kind) : group.tryLock(key, kind);
      if (held !== undefined) return held;
      await this.#wait(Math.min(2 ** round, LONGEST_WAIT_MS), signal);
    }
  }

  /** Locks that are held by a descriptor of their own, so that it can be handed to another process with them. */
  group(): LockGroup {
    try {
      return new LockGroup(openSync(this.#path, 'a+', 0o600), this.#lockRange, () => this.#wake());
    } catch (error) {
      throw fileError(error);
    }
  }

  [Symbol.dispose](): void {
    this.#shared[Symbol.dispose]();
  }

  #wake(): void {
    for (const wake of this.#wakers) wake();
  }

  #wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wakers.delete(done);
        listening[Symbol.dispose]();
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wakers.add(done);
      const listening = onAbort(signal, done);
    });
  }
}

/** Locks of one descriptor. Disposing it gives all of them back. */
export class LockGroup implements Disposable {
  readonly fd: number;
  readonly #lockRange: LockRange;
  readonly #onRelease: () => void;
  /** How often each place is locked: the kernel does not count. */
  readonly #held = new Map<number, number>();
  #isOpen = true;

  constructor(fd: number, lockRange: LockRange, onRelease: () => void) {
    this.fd = fd;
    this.#lockRange = lockRange;
    this.#onRelease = onRelease;
  }

  /** All locks of one group are of one kind. */
  tryLock(key: string, kind: LockKind): Disposable | undefined {
    const place = placeOf(key);
    const count = this.#held.get(place) ?? 0;
    if (count === 0 && !this.#lockRange(this.fd, kind, place, 1)) return undefined;
    this.#held.set(place, count + 1);
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#release(place);
        isHeld = false;
      },
    };
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const hadLocks = this.#held.size > 0;
    this.#held.clear();
    closeSync(this.fd);
    // Two who only tried must not wake each other for ever.
    if (hadLocks) this.#onRelease();
  }

  #release(place: number): void {
    if (!this.#isOpen) return;
    const count = (this.#held.get(place) ?? 1) - 1;
    if (count > 0) {
      this.#held.set(place, count);
      return;
    }
    this.#held.delete(place);
    this.#lockRange(this.fd, 'none', place, 1);
    this.#onRelease();
  }
}
