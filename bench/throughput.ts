import type { Contender } from './contender.js';
import { median } from './samples.js';

export const CONCURRENCIES = [1, 4, 16] as const;

/** Starts per second of one contender, by concurrency. */
export type Rates = ReadonlyMap<number, number>;

/** Each takes its turn at each concurrency, `rounds` times; the median of its turns counts. */
export async function measureThroughput(
  contenders: readonly Contender[],
  rounds: number,
  starts: number,
): Promise<ReadonlyMap<string, Rates>> {
  const rates = new Map(contenders.map(({ name }) => [name, new Map<number, number[]>()]));
  for (let round = 0; round < rounds; round++) {
    for (const concurrency of CONCURRENCIES) {
      for (const contender of contenders) {
        const { wallMs } = await contender.burst(starts, concurrency);
        const own = rates.get(contender.name);
        own?.set(concurrency, [...(own.get(concurrency) ?? []), (starts / wallMs) * 1000]);
      }
    }
  }
  const mid = (own: ReadonlyMap<number, number[]>): Rates => new Map([...own].map(([key, all]) => [key, median(all)]));
  return new Map([...rates].map(([name, own]) => [name, mid(own)]));
}
