/**
 * How often the tests that repeat themselves do so: 10,000 runs in the longest, the others in proportion. A machine that is ten
 * times slower, such as one without hardware help for virtualisation, sets CLOISTER_LEAK_RUNS to a tenth.
 */
export const LEAK_RUNS = Number(process.env['CLOISTER_LEAK_RUNS'] ?? 10_000);

/** This many, in proportion; never fewer than `least`. */
export function repetitions(usual: number, least = 8): number {
  return Math.max(Math.min(usual, least), Math.round((usual * LEAK_RUNS) / 10_000));
}
