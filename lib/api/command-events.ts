import type { CgroupUsage } from '../cgroup/usage.js';
import type { Command } from '../runtime/command.js';
import type { SandboxObserver } from '../runtime/observer.js';
import type { CommandResult } from '../runtime/result.js';
import type { SandboxEventName, SandboxEvents } from './events.js';
import { LimitWatcher } from './limit-watcher.js';

/** Tells an event of one sandbox, which is known where it is told. */
export type Tell = <Name extends SandboxEventName>(
  name: Name,
  facts: Omit<SandboxEvents[Name], 'time' | 'sandbox'>,
) => void;

export interface CommandEventsOptions {
  readonly tell: Tell;
  /** False: nobody listens, and no counter is read. */
  isObserved(): boolean;
  /** What the whole sandbox has used. */
  usage(): CgroupUsage | undefined;
  /** Those that the library runs for itself: nothing is told of them. */
  isOwn?(command: Command): boolean;
  onGone?(): void;
}

/** Turns what happens to the commands of a sandbox, and the limits that they reach, into events. */
export class CommandEvents implements SandboxObserver {
  readonly #options: CommandEventsOptions;
  readonly #watcher: LimitWatcher;

  constructor(options: CommandEventsOptions) {
    this.#options = options;
    this.#watcher = new LimitWatcher({
      isObserved: () => options.isObserved(),
      read: () => options.usage(),
      emit: options.tell,
    });
  }

  onCommandStarted(command: Command): void {
    this.#watcher.start();
    if (this.#isTold(command)) this.#options.tell('exec', { command: command.spec.argv, pid: command.pid });
  }

  onCommandEnded(command: Command, result: CommandResult<string | Uint8Array>): void {
    // One that was ended on its way to its program was never started.
    if (command.pid !== undefined) this.#watcher.stop();
    if (this.#isTold(command))
      this.#options.tell('exec-exit', { command: command.spec.argv, pid: command.pid, result });
  }

  onGone(): void {
    this.#options.onGone?.();
  }

  #isTold(command: Command): boolean {
    return this.#options.isOwn?.(command) !== true;
  }
}
