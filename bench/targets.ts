import type { Density } from './density.js';
import type { EventLoopDelays } from './event-loop.js';
import type { Samples } from './samples.js';
import type { Rates } from './throughput.js';

/** How the contenders are called, here and in the tables. */
export const NAMES = {
  floorExec: 'kernel: execve alone',
  floorFresh: 'kernel: fresh namespaces and root',
  floorJoin: 'kernel: join namespaces',
  spawn: 'child_process.spawn',
  run: 'Sandbox.run',
  exec: 'box.exec',
  spawnHost: "child_process.spawn, host's true",
  runHost: "Sandbox.run, host's true",
  execHost: "box.exec, host's true",
  bubblewrap: 'bubblewrap',
  crun: 'crun',
} as const;

/** All that one run of the benchmark has measured; what was not asked for is absent. */
export interface Measured {
  readonly latency?: ReadonlyMap<string, Samples>;
  readonly throughput?: ReadonlyMap<string, Rates>;
  readonly eventLoop?: EventLoopDelays;
  readonly density?: Density;
}

export interface Target {
  readonly figure: string;
  readonly limit: number;
  readonly is: 'at most' | 'at least';
  readonly unit: '×' | 'ms' | 'MB' | '%';
  /** Undefined: not measured. */
  readonly measured: number | undefined;
}

type Name = keyof typeof NAMES;

/** Every figure with what it has to be; the ratios are of one run. */
export function targets({ latency, throughput, eventLoop, density }: Measured): Target[] {
  const p50 = (name: Name): number => latency?.get(NAMES[name])?.p50 ?? NaN;
  const p99 = (name: Name): number => latency?.get(NAMES[name])?.p99 ?? NaN;
  const rate = (name: Name): number => throughput?.get(NAMES[name])?.get(16) ?? NaN;
  const atMost = (figure: string, limit: number, measured = NaN, unit: Target['unit'] = '×'): Target => ({
    figure,
    limit,
    is: 'at most',
    unit,
    measured: Number.isNaN(measured) ? undefined : measured,
  });
  return [
    atMost("run p50 / spawn p50, host's true", 2, p50('runHost') / p50('spawnHost')),
    atMost('run p50 / spawn p50', 2, p50('run') / p50('spawn')),
    atMost('run p50 / bubblewrap p50', 1, p50('run') / p50('bubblewrap')),
    atMost('run p50 / crun p50', 1 / 3, p50('run') / p50('crun')),
    atMost("run p99 / spawn p50, host's true", 4, p99('runHost') / p50('spawnHost')),
    atMost('run p99 / spawn p50', 4, p99('run') / p50('spawn')),
    atMost("exec p50 / spawn p50, host's true", 1, p50('execHost') / p50('spawnHost')),
    atMost('exec p50 / spawn p50', 1, p50('exec') / p50('spawn')),
    { ...atMost('runs per second / crun, 16 at a time', 3, rate('run') / rate('crun')), is: 'at least' },
    atMost('event loop delay p99, starting 100 with run', 10, eventLoop?.run.p99, 'ms'),
    atMost('event loop delay p99, starting 100 with create', 10, eventLoop?.create.p99, 'ms'),
    atMost('memory of a live sandbox', 1, density && density.bytesEach / 1e6, 'MB'),
    atMost('start of the last / of the first', 1.5, density && density.lastStartMs / density.firstStartMs),
    atMost('processor for a statistics stream of each at 1 Hz', 5, density && density.statsCpuShare * 100, '%'),
  ];
}
