import type { CgroupUsage } from '../cgroup/usage.js';
import { onAbort } from '../shared/abort.js';
import { timerMs } from '../shared/within.js';
import type { EndReason } from './result.js';
import type { CommandSpec } from './spec.js';

/** Processor time is looked at no more often than this. */
const MIN_CPU_POLL_MS = 5;
const MAX_CPU_POLL_MS = 1000;

/** Watches what ends a command from outside: time, processor time, the caller's AbortSignal. */
export class CommandLimits {
  readonly #spec: CommandSpec;
  readonly #usage: () => CgroupUsage;
  readonly #end: (cause: EndReason) => void;
  #timeout: NodeJS.Timeout | undefined;
  #cpuPoll: NodeJS.Timeout | undefined;
  readonly #listening: Disposable;

  /** @param usage of the command alone: what it took to make the sandbox is not the program's. */
  constructor(spec: CommandSpec, usage: () => CgroupUsage, end: (cause: EndReason) => void) {
    this.#spec = spec;
    this.#usage = usage;
    this.#end = end;
    this.#listening = onAbort(spec.signal, () => this.#end('abort'));
  }

  /** Clocks run from the request on: a start, too, can be held up from inside. */
  start(): void {
    const { timeoutMs, cpuTimeMs } = this.#spec;
    if (timeoutMs !== Infinity) {
      this.#timeout = setTimeout(() => this.#end('timeout'), timerMs(timeoutMs));
    }
    if (cpuTimeMs !== Infinity) this.#watchCpu(cpuTimeMs);
  }

  stop(): void {
    clearTimeout(this.#timeout);
    clearTimeout(this.#cpuPoll);
    this.#listening[Symbol.dispose]();
  }

  /** The limit cannot be reached before the rest of it, spread over two processors at least, has passed. */
  #watchCpu(leftMs: number): void {
    const wait = Math.min(Math.max(leftMs / 2, MIN_CPU_POLL_MS), MAX_CPU_POLL_MS);
    this.#cpuPoll = setTimeout(() => {
      const { cpuUserUs = 0, cpuSystemUs = 0 } = this.#usage();
      const usedMs = (cpuUserUs + cpuSystemUs) / 1000;
      if (usedMs >= this.#spec.cpuTimeMs) this.#end('cpu');
      else this.#watchCpu(this.#spec.cpuTimeMs - usedMs);
    }, wait);
  }
}
