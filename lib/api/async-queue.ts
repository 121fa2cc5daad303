/** The longest that setInterval() takes. */
const FOREVER_MS = 2 ** 31 - 1;

/**
 * A queue that is read with `for await`; ends when closed, or when its reader leaves the loop. While that waits for the next item,
 * Node does not exit.
 */
export class AsyncQueue<T> implements AsyncIterableIterator<T> {
  readonly #items: T[] = [];
  readonly #waiting: ((result: IteratorResult<T>) => void)[] = [];
  readonly #onReturn: () => void;
  #isClosed = false;
  #awake: NodeJS.Timeout | undefined;

  constructor(onReturn: () => void = () => undefined) {
    this.#onReturn = onReturn;
  }

  push(item: T): void {
    if (this.#isClosed) return;
    const next = this.#waiting.shift();
    if (next === undefined) this.#items.push(item);
    else next({ done: false, value: item });
    this.#stayAwake();
  }

  close(): void {
    this.#isClosed = true;
    for (const next of this.#waiting.splice(0)) next({ done: true, value: undefined });
    this.#stayAwake();
  }

  next(): Promise<IteratorResult<T>> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve({ done: false, value: item });
    if (this.#isClosed) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#stayAwake();
    });
  }

  return(): Promise<IteratorResult<T>> {
    this.close();
    this.#onReturn();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #stayAwake(): void {
    if (this.#waiting.length > 0) {
      this.#awake ??= setInterval(() => undefined, FOREVER_MS);
      return;
    }
    clearInterval(this.#awake);
    this.#awake = undefined;
  }
}
