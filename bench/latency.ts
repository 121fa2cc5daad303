import type { Contender } from './contender.js';
import { Samples } from './samples.js';

const WARM_UPS = 10;

/** Asks each contender in turn, round after round: what disturbs the machine for a while disturbs all of them. */
export async function measureLatency(
  contenders: readonly Contender[],
  rounds: number,
): Promise<ReadonlyMap<string, Samples>> {
  const samples = new Map(contenders.map(({ name }) => [name, new Samples()]));
  for (let round = -WARM_UPS; round < rounds; round++) {
    for (const contender of contenders) {
      if (round % (contender.every ?? 1) !== 0) continue;
      const { eachMs } = await contender.burst(1, 1);
      if (round >= 0) samples.get(contender.name)?.add(...eachMs);
    }
  }
  return samples;
}
