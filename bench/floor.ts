import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Burst, Contender } from './contender.js';

/** A program of `bench/floor` that measures once whenever it is asked. */
export class Floor implements Contender, AsyncDisposable {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(name: string, [file = '', ...args]: readonly string[]) {
    this.name = name;
    this.#child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.#child.stdout === null) throw new Error(`${file} has no output`);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** One after another, whatever the concurrency: the program has one thread. */
  async burst(count: number): Promise<Burst> {
    const eachMs: number[] = [];
    for (let i = 0; i < count; i++) {
      this.#child.stdin?.write('.');
      const { value, done } = await this.#lines.next();
      if (done === true) throw new Error(`${this.name}: the program ended`);
      eachMs.push(Number(value));
    }
    return { wallMs: eachMs.reduce((sum, each) => sum + each, 0), eachMs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'close');
    this.#child.stdin?.end();
    if (this.#child.exitCode === null && this.#child.signalCode === null) await ended;
  }
}
