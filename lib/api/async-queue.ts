/** A queue that is read with `for await`; ends when closed, or when its reader leaves the loop. */
export class AsyncQueue<T> implements AsyncIterableIterator<T> {
  readonly #items: T[] = [];
  readonly #waiting: ((result: IteratorResult<T>) => void)[] = [];
  readonly #onReturn: () => void;
  #isClosed = false;

  constructor(onReturn: () => void = () => undefined) {
    this.#onReturn = onReturn;
  }

  push(item: T): void {
    if (this.#isClosed) return;
    const next = this.#waiting.shift();
    if (next === undefined) this.#items.push(item);
    else next({ done: false, value: item });
  }

  close(): void {
    this.#isClosed = true;
    for (const next of this.#waiting.splice(0)) next({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<T>> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve({ done: false, value: item });
    if (this.#isClosed) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<T>> {
    this.close();
    this.#onReturn();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
