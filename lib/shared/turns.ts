/**
 * Lets pieces of work pass one per turn of the event loop, in the order in which they came: whatever else the application has to
 * do waits for one of them at most, not for all. The first of a turn passes at once.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #isTaken = false;

  async pass(): Promise<void> {
    if (this.#isTaken) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#isTaken = true;
    setImmediate(() => this.#next());
  }

  #next(): void {
    const next = this.#waiting.shift();
    if (next === undefined) {
      this.#isTaken = false;
      return;
    }
    setImmediate(() => this.#next());
    next();
  }
}
