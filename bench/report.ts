import { cpus, loadavg, release, totalmem } from 'node:os';
import type { Density } from './density.js';
import type { EventLoopDelays } from './event-loop.js';
import type { Samples } from './samples.js';
import { ms, printTable, times } from './table.js';
import { NAMES, targets, type Measured } from './targets.js';
import { CONCURRENCIES, type Rates } from './throughput.js';

export function printMachine(): void {
  const processors = cpus();
  console.log(
    `${new Date().toISOString()}  Linux ${release()} ${process.arch}, Node ${process.versions.node}, ` +
      `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}, ` +
      `${(totalmem() / 2 ** 30).toFixed(0)} GiB, load ${loadavg()
        .map((load) => load.toFixed(1))
        .join(' ')}`,
  );
}

export function printLatency(latency: ReadonlyMap<string, Samples>, notes: readonly string[]): void {
  const spawn = latency.get(NAMES.spawn)?.p50 ?? NaN;
  printTable(
    'From start to end of one program, in milliseconds',
    ['', 'p50', 'p95', 'p99', 'p50 / spawn', 'n'],
    [...latency].map(([name, samples]) => [
      name,
      ms(samples.p50),
      ms(samples.p95),
      ms(samples.p99),
      times(samples.p50 / spawn),
      String(samples.count),
    ]),
    notes,
  );
}

export function printThroughput(throughput: ReadonlyMap<string, Rates>): void {
  printTable(
    'Starts per second, by how many run at a time',
    ['', ...CONCURRENCIES.map(String)],
    [...throughput].map(([name, rates]) => [name, ...CONCURRENCIES.map((each) => (rates.get(each) ?? NaN).toFixed(0))]),
  );
}

export function printEventLoop(delays: EventLoopDelays): void {
  const names = { idle: 'nothing', spawn: NAMES.spawn, run: NAMES.run, create: 'Sandbox.create' };
  printTable(
    "Delay of Node's event loop while 100 are started at once, in milliseconds",
    ['', 'p99', 'max'],
    (['idle', 'spawn', 'run', 'create'] as const).map((each) => [
      names[each],
      ms(delays[each].p99),
      ms(delays[each].max),
    ]),
  );
}

export function printDensity(density: Density): void {
  const kb = (bytes: number): string => `${(bytes / 1000).toFixed(0)} kB`;
  const { count, bytesEach, lastBytesEach, firstStartMs, lastStartMs, statsCpuShare } = density;
  printTable(
    `${count} live sandboxes`,
    ['', ''],
    [
      ['memory of the host for each, the kernel included', kb(bytesEach)],
      ['the same, for each of the last fifth', kb(lastBytesEach)],
      ['start, p50 of the first tenth', `${ms(firstStartMs)} ms`],
      ['start, p50 of the last tenth', `${ms(lastStartMs)} ms`],
      ['a statistics stream for each at 1 Hz, of one processor', `${(statsCpuShare * 100).toFixed(1)} %`],
    ],
  );
}

/** @returns whether every target that was measured is met. */
export function printTargets(measured: Measured): boolean {
  const all = targets(measured).map((target) => {
    const { is, limit, measured: value } = target;
    return { ...target, isMet: value === undefined ? undefined : is === 'at most' ? value <= limit : value >= limit };
  });
  printTable(
    'Targets',
    ['', 'measured', 'target', ''],
    all
      .filter(({ measured: value }) => value !== undefined)
      .map(({ figure, limit, is, unit, measured: value, isMet }) => [
        figure,
        value === undefined ? '–' : `${value.toFixed(2)} ${unit}`,
        `${is === 'at most' ? '≤' : '≥'} ${limit.toFixed(2)} ${unit}`,
        isMet === undefined ? 'not measured' : isMet ? 'met' : 'NOT MET',
      ]),
  );
  return all.every(({ isMet }) => isMet !== false);
}
