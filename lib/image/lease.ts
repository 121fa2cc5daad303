import type { Digest } from '../shared/digest.js';
import type { LockFile, LockGroup } from '../shared/lock-file.js';
import type { BlobWriter, ExpectedBlob } from './blob-writer.js';

/** What can be collected, each locked by a name of its own: a blob and the layer that is made of it may have one digest. */
export type Collectable = 'blob' | 'layer' | 'image';

export function lockKey(kind: Collectable, digest: Digest): string {
  return `${kind} ${digest}`;
}

/** What a lease asks of the store. */
export interface LeasedContent {
  readonly locks: LockFile;
  has(digest: Digest): Promise<boolean>;
  openWriter(
    lease: Lease,
    expected: ExpectedBlob | undefined,
    signal: AbortSignal | undefined,
  ): Promise<BlobWriter | undefined>;
}

/**
 * Keeps content from being collected, in all processes, until it is disposed or its process dies.
 *
 * The order is what makes it safe: first use, then look whether it is there, then refer to it. Everything that writes to the
 * store does so through a lease.
 */
export class Lease implements Disposable {
  readonly #content: LeasedContent;
  readonly #group: LockGroup | undefined;
  readonly #held = new Map<string, Disposable>();
  #isOpen = true;

  /** @param group - locks of a descriptor of its own; disposed with the lease. Default: those of the whole store. */
  constructor(content: LeasedContent, group?: LockGroup) {
    this.#content = content;
    this.#group = group;
  }

  /** Whether the blob is there; it stays as it is. Waits for a collection of just this blob to end. */
  async useBlob(digest: Digest, signal?: AbortSignal): Promise<boolean> {
    await this.use('blob', digest, signal);
    return this.#content.has(digest);
  }

  async use(kind: Collectable, digest: Digest, signal?: AbortSignal): Promise<void> {
    const key = lockKey(kind, digest);
    if (this.#held.has(key)) return;
    const lock = await this.#content.locks.lock(key, 'shared', signal, this.#group);
    if (this.#isOpen && !this.#held.has(key)) this.#held.set(key, lock);
    else lock[Symbol.dispose]();
  }

  /**
   * The one who writes this blob; waits while another process does. Undefined when the blob is there (by then).
   * @throws CloisterError `ERR_ABORTED`
   */
  async writer(expected: ExpectedBlob, signal?: AbortSignal): Promise<BlobWriter | undefined> {
    await this.use('blob', expected.digest, signal);
    return this.#content.openWriter(this, expected, signal);
  }

  /** For a blob whose digest comes out at its end. */
  async newWriter(): Promise<BlobWriter> {
    const writer = await this.#content.openWriter(this, undefined, undefined);
    if (writer === undefined) throw new TypeError('a new blob always has a writer');
    return writer;
  }

  [Symbol.dispose](): void {
    this.#isOpen = false;
    // Closing a descriptor of its own leaves the locks to whoever has a copy of it; unlocking would take them from both.
    this.#group?.[Symbol.dispose]();
    for (const lock of this.#held.values()) lock[Symbol.dispose]();
    this.#held.clear();
  }
}

/** Locks of one collection, all at once; those of content that somebody uses are not given. */
export class Claim implements Disposable {
  readonly #group: LockGroup;

  constructor(locks: LockFile) {
    this.#group = locks.group();
  }

  /** True when nobody uses it: it may be removed until this claim is disposed. */
  take(kind: Collectable, digest: Digest): boolean {
    return this.#group.tryLock(lockKey(kind, digest), 'exclusive') !== undefined;
  }

  takeKey(key: string): boolean {
    return this.#group.tryLock(key, 'exclusive') !== undefined;
  }

  [Symbol.dispose](): void {
    this.#group[Symbol.dispose]();
  }
}
