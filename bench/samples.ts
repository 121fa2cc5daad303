/** Measurements of one thing, in milliseconds. */
export class Samples {
  readonly #values: number[] = [];

  add(...ms: readonly number[]): void {
    this.#values.push(...ms);
  }

  get count(): number {
    return this.#values.length;
  }

  /** The nearest rank: always one of the measured values; NaN when there is none. */
  quantile(share: number): number {
    const sorted = [...this.#values].sort((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
  }

  get p50(): number {
    return this.quantile(0.5);
  }

  get p95(): number {
    return this.quantile(0.95);
  }

  get p99(): number {
    return this.quantile(0.99);
  }
}

export function median(values: readonly number[]): number {
  const samples = new Samples();
  samples.add(...values);
  return samples.p50;
}
