import type { CgroupUsage } from '../cgroup/usage.js';
import type { SandboxEvents } from './events.js';

/** How often the kernel's counters are looked at while commands run. They are looked at once more at each command's end. */
const INTERVAL_MS = 250;

type LimitEvent = 'oom' | 'pids-limit' | 'throttled';
type Facts<Name extends LimitEvent> = Omit<SandboxEvents[Name], 'time' | 'sandbox'>;

export interface LimitWatcherOptions {
  /** Nobody listens: nothing is read. */
  isObserved(): boolean;
  read(): CgroupUsage | undefined;
  emit<Name extends LimitEvent>(name: Name, facts: Facts<Name>): void;
}

/** Turns the kernel's counters of reached limits into events. */
export class LimitWatcher {
  readonly #options: LimitWatcherOptions;
  #timer: NodeJS.Timeout | undefined;
  #commands = 0;
  #last = { oomKills: 0, pidsLimitHits: 0, throttledPeriods: 0, throttledUs: 0 };

  constructor(options: LimitWatcherOptions) {
    this.#options = options;
  }

  /** A command runs. */
  start(): void {
    if (this.#commands++ === 0) this.#timer = setInterval(() => this.#check(), INTERVAL_MS).unref();
  }

  /** A command has ended. */
  stop(): void {
    if (--this.#commands === 0) clearInterval(this.#timer);
    this.#check();
  }

  #check(): void {
    const usage = this.#options.isObserved() ? this.#options.read() : undefined;
    if (usage === undefined) return;
    const last = this.#last;
    const now = {
      oomKills: usage.oomKills ?? last.oomKills,
      pidsLimitHits: usage.pidsLimitHits ?? last.pidsLimitHits,
      throttledPeriods: usage.throttledPeriods ?? last.throttledPeriods,
      throttledUs: usage.throttledUs ?? last.throttledUs,
    };
    this.#last = now;
    if (now.oomKills > last.oomKills) this.#options.emit('oom', { count: now.oomKills - last.oomKills });
    if (now.pidsLimitHits > last.pidsLimitHits)
      this.#options.emit('pids-limit', { count: now.pidsLimitHits - last.pidsLimitHits });
    if (now.throttledPeriods > last.throttledPeriods) {
      this.#options.emit('throttled', {
        periods: now.throttledPeriods - last.throttledPeriods,
        ms: (now.throttledUs - last.throttledUs) / 1000,
      });
    }
  }
}
