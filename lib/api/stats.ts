import type { CgroupLimits } from '../cgroup/limits.js';
import type { CgroupReport } from '../cgroup/manager.js';
import type { CgroupSample } from '../cgroup/usage.js';
import { onAbort } from '../shared/abort.js';
import { timerMs } from '../shared/within.js';
import type { SandboxStats } from './events.js';

export interface SampleOptions {
  readonly cgroup: CgroupReport;
  readonly ended: Promise<void>;
  readonly intervalMs: number;
  readonly signal: AbortSignal | undefined;
  limits(): CgroupLimits;
}

interface Sample extends CgroupSample {
  readonly atMs: number;
}

const inMs = (us: number | undefined): number => (us ?? 0) / 1000;
/** Init is in the group of a living sandbox and no process of the user's: limit and `processes()` do not count it either. */
const besideInit = (count: number | undefined): number | undefined => count && count - 1;
const cpuMs = ({ usage }: Sample): number => inMs(usage.cpuUserUs) + inMs(usage.cpuSystemUs);

function toStats(now: Sample, before: Sample | undefined, limits: CgroupLimits): SandboxStats {
  const { usage, pressure } = now;
  const elapsed = before === undefined ? 0 : now.atMs - before.atMs;
  const percent = before === undefined || elapsed <= 0 ? 0 : ((cpuMs(now) - cpuMs(before)) / elapsed) * 100;
  return {
    time: Date.now(),
    cpu: {
      percent,
      userMs: inMs(usage.cpuUserUs),
      systemMs: inMs(usage.cpuSystemUs),
      throttledMs: usage.throttledUs === undefined ? undefined : usage.throttledUs / 1000,
    },
    memory: { bytes: usage.memoryCurrentBytes, peakBytes: usage.memoryPeakBytes, limitBytes: limits.memoryBytes },
    pids: { count: besideInit(usage.pidsCurrent), peak: besideInit(usage.pidsPeak), limit: limits.pids },
    io: { readBytes: usage.ioReadBytes, writeBytes: usage.ioWriteBytes },
    pressure,
  };
}

/** The first sample has no processor percentage to tell: it is about the time since the one before. */
export async function* sampleStats(options: SampleOptions): AsyncGenerator<SandboxStats, void> {
  const nap = new Nap(options.intervalMs);
  void options.ended.then(nap.end, nap.end);
  using _listening = onAbort(options.signal, nap.end);
  let before: Sample | undefined;
  while (!nap.isOver && options.signal?.aborted !== true) {
    const now: Sample = { ...options.cgroup.sample(before), atMs: performance.now() };
    yield toStats(now, before, options.limits());
    before = now;
    await nap.next();
  }
}

/** Times between samples. An AbortSignal for each of them would cost as much as the sample. */
class Nap {
  isOver = false;
  readonly #ms: number;
  #timer: NodeJS.Timeout | undefined;
  #wake: () => void = () => undefined;

  constructor(ms: number) {
    this.#ms = timerMs(ms);
  }

  next(): Promise<void> {
    if (this.isOver) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#timer = setTimeout(resolve, this.#ms);
    });
  }

  readonly end = (): void => {
    this.isOver = true;
    clearTimeout(this.#timer);
    this.#wake();
  };
}
