import { timerMs } from '../shared/within.js';
import type { Command } from './command.js';
import type { CommandResult } from './result.js';

/** How a sandbox's health is found out; OCI and Docker image configuration, `Healthcheck`. */
export interface HealthCheck {
  /** Exit code 0 is healthy. */
  readonly command: readonly string[];
  /** From the end of one check to the start of the next. */
  readonly intervalMs: number;
  /** A check that takes longer has failed. */
  readonly timeoutMs: number;
  /** After the start, during which failures do not count. */
  readonly startPeriodMs: number;
  /** As `intervalMs`, during the start period. */
  readonly startIntervalMs: number;
  /** Failures in a row until it is unhealthy. */
  readonly retries: number;
}

/** `starting` until a check has passed, or `retries` of them have failed one after the other. */
export type HealthStatus = 'starting' | 'healthy' | 'unhealthy';

/** What the last check of a sandbox has found. */
export interface HealthReport {
  readonly status: HealthStatus;
  /** In a row, up to now. */
  readonly failures: number;
  /** The check's own, at most 4 KiB of it. */
  readonly output: string;
}

export interface HealthMonitorOptions {
  readonly check: HealthCheck;
  /** Starts the check in the sandbox. */
  start(check: HealthCheck): Command;
  /** False while it is paused: a check would only time out. */
  isRunning(): boolean;
  /** After the first check and whenever the status has changed. */
  onChange(report: HealthReport): void;
}

const OUTPUT_LENGTH = 4096;

/** Checks a sandbox again and again until it is stopped. Its timer does not keep the application alive. */
export class HealthMonitor {
  readonly #options: HealthMonitorOptions;
  readonly #startedAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #command: Command | undefined;
  #status: HealthStatus = 'starting';
  #failures = 0;
  #isStopped = false;

  constructor(options: HealthMonitorOptions) {
    this.#options = options;
    this.#schedule();
  }

  get status(): HealthStatus {
    return this.#status;
  }

  /** Whether this command is a check, not the user's own. */
  owns(command: Command): boolean {
    return this.#command === command;
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  get #isStarting(): boolean {
    return this.#status === 'starting' && performance.now() - this.#startedAt < this.#options.check.startPeriodMs;
  }

  #schedule(): void {
    if (this.#isStopped) return;
    const { intervalMs, startIntervalMs } = this.#options.check;
    this.#timer = setTimeout(
      () => void this.#check(),
      timerMs(this.#isStarting ? startIntervalMs : intervalMs),
    ).unref();
  }

  async #check(): Promise<void> {
    if (this.#options.isRunning()) await this.#run();
    this.#schedule();
  }

  async #run(): Promise<void> {
    const command = this.#options.start(this.#options.check);
    this.#command = command;
    const result = await command.result.catch((error: unknown) => error as Error);
    this.#command = undefined;
    if (!this.#isStopped && this.#options.isRunning()) this.#judge(result);
  }

  #judge(result: CommandResult<string | Uint8Array> | Error): void {
    const isHealthy = !(result instanceof Error) && result.reason === 'exit' && result.exitCode === 0;
    const text = result instanceof Error ? result.message : `${String(result.stdout)}${String(result.stderr)}`;
    if (isHealthy) this.#failures = 0;
    else if (!this.#isStarting) this.#failures++;
    const before = this.#status;
    if (isHealthy) this.#status = 'healthy';
    else if (this.#failures >= this.#options.check.retries) this.#status = 'unhealthy';
    if (this.#status === before) return;
    this.#options.onChange({ status: this.#status, failures: this.#failures, output: text.slice(0, OUTPUT_LENGTH) });
  }
}
