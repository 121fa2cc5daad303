/** One way to run a program, as it is compared with the others. */
export interface Contender {
  readonly name: string;
  /** Asked only every so many rounds: it is too slow to be asked each time. Default: 1. */
  readonly every?: number;
  /** Starts `count` programs, `concurrency` at a time, each to its end. @throws when one did not end with exit code 0. */
  burst(count: number, concurrency: number): Promise<Burst>;
}

export interface Burst {
  readonly wallMs: number;
  /** Of each start, in no particular order. */
  readonly eachMs: readonly number[];
}

/** Keeps `concurrency` starts going until `count` have ended. */
export async function burst(start: () => PromiseLike<unknown>, count: number, concurrency: number): Promise<Burst> {
  const eachMs: number[] = [];
  let left = count;
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const began = performance.now();
      await start();
      eachMs.push(performance.now() - began);
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, work));
  return { wallMs: performance.now() - began, eachMs };
}

/** @param start - resolves when the program has ended well. */
export function contender(name: string, start: () => PromiseLike<unknown>): Contender {
  return { name, burst: (count, concurrency) => burst(start, count, concurrency) };
}
