export interface StockOptions<T> {
  make(key: string): T;
  discard(item: T): void;
  /** How many of one kind are kept at least, once that kind was asked for. */
  readonly min: number;
  /** How many of all kinds are kept at most. */
  readonly max: number;
}

interface Shelf<T> {
  readonly ready: T[];
  target: number;
  isUsed: boolean;
}

/** Made in one turn of the event loop: about a millisecond of work. */
const BATCH = 4;
const SHRINK_INTERVAL_MS = 5_000;

/**
 * Fresh things that are made ahead, between requests, because making one takes longer than a request should. Each is handed out
 * once. The number kept doubles when it ran out and halves while it is not used. Neither timer keeps the process alive.
 */
export class Stock<T> {
  /** By kind, the least recently asked for first. */
  readonly #shelves = new Map<string, Shelf<T>>();
  readonly #options: StockOptions<T>;
  #refill: NodeJS.Immediate | undefined;
  #shrink: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: StockOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return [...this.#shelves.values()].reduce((sum, shelf) => sum + shelf.ready.length, 0);
  }

  /** One of this kind, or undefined: then the caller makes its own and the next ones will be there. */
  take(key: string): T | undefined {
    if (this.#isClosed) return undefined;
    const shelf = this.#shelves.get(key) ?? { ready: [], target: this.#options.min / 2, isUsed: true };
    const item = shelf.ready.pop();
    shelf.isUsed = true;
    if (item === undefined) shelf.target = Math.min(shelf.target * 2, this.#options.max);
    this.#shelves.delete(key);
    this.#shelves.set(key, shelf);
    this.#schedule();
    return item;
  }

  /** Discards everything; kinds are learned anew. */
  clear(): void {
    const items = [...this.#shelves.values()].flatMap(({ ready }) => ready);
    this.#shelves.clear();
    for (const item of items) this.#options.discard(item);
  }

  close(): void {
    this.#isClosed = true;
    clearImmediate(this.#refill);
    clearInterval(this.#shrink);
    this.clear();
  }

  #schedule(): void {
    this.#refill ??= setImmediate(() => this.#refillSome()).unref();
    this.#shrink ??= setInterval(() => this.#shrinkAll(), SHRINK_INTERVAL_MS).unref();
  }

  #refillSome(): void {
    this.#refill = undefined;
    for (let made = 0; made < BATCH; made++) {
      // The kind that was asked for last is the one that will be asked for next.
      const wanted = [...this.#shelves].reverse().find(([, shelf]) => shelf.ready.length < shelf.target);
      if (wanted === undefined || !this.#makeRoom(wanted[1])) return;
      if (!this.#makeOne(...wanted)) return;
    }
    this.#schedule();
  }

  #makeOne(key: string, shelf: Shelf<T>): boolean {
    try {
      shelf.ready.unshift(this.#options.make(key));
      return true;
    } catch {
      // Whoever needs one makes it then, and gets the error.
      this.#shelves.delete(key);
      for (const item of shelf.ready) this.#options.discard(item);
      return false;
    }
  }

  /** At the limit, the kind that was not asked for longest gives one up. */
  #makeRoom(forShelf: Shelf<T>): boolean {
    if (this.size < this.#options.max) return true;
    for (const shelf of this.#shelves.values()) {
      if (shelf === forShelf) return false;
      const item = shelf.ready.pop();
      if (item === undefined) continue;
      this.#options.discard(item);
      shelf.target = shelf.ready.length;
      return true;
    }
    return false;
  }

  #shrinkAll(): void {
    for (const [key, shelf] of this.#shelves) {
      if (!shelf.isUsed) shelf.target = shelf.target <= this.#options.min ? 0 : Math.floor(shelf.target / 2);
      shelf.isUsed = false;
      while (shelf.ready.length > shelf.target) this.#options.discard(shelf.ready.pop() as T);
      if (shelf.target === 0) this.#shelves.delete(key);
    }
    if (this.#shelves.size > 0) return;
    clearInterval(this.#shrink);
    this.#shrink = undefined;
  }
}
