import { constants } from 'node:os';
import { CloisterError } from '../errors.js';
import type { Kernel, KernelSandbox } from '../native/kernel.js';
import type { CommandFds, CommandPlan } from '../native/plan.js';
import type { StatusRecord } from '../native/status.js';
import { signalFromText } from '../shared/signals.js';
import { within } from '../shared/within.js';
import { Command, type CommandHost } from './command.js';
import { endCommand } from './end-command.js';
import type { OpenImage } from './image.js';
import type { SandboxObserver } from './observer.js';
import type { Pause } from './pause.js';
import { planCommand } from './plan-command.js';
import type { SandboxResources } from './resources.js';
import type { CommandResult } from './result.js';
import type { Services } from './services.js';
import type { CommandSpec, SandboxSpec } from './spec.js';

/** The sandbox that commands run in. */
export interface CommandPlace {
  readonly services: Services;
  readonly spec: SandboxSpec;
  readonly observer: SandboxObserver;
  /** It lives for one command, which shares its group. */
  readonly isOneShot: boolean;
  readonly pause: Pause;
  /** Undefined before it was launched. */
  readonly init: KernelSandbox | undefined;
  /** @throws CloisterError `ERR_SANDBOX_STATE` before it is launched. */
  readonly resources: SandboxResources;
  readonly image: OpenImage | undefined;
  readonly isGone: boolean;
}

const oomKillsOf = ({ cgroup }: Command): number => cgroup.usage().oomKills ?? 0;

/** The commands of one sandbox, from their start to their end. */
export class SandboxCommands implements CommandHost {
  readonly kernel: Kernel;
  readonly #place: CommandPlace;
  readonly #commands = new Map<number, Command>();
  #lastId = 0;
  /** Processes of commands that have ended. */
  #oomKills = 0;

  constructor(place: CommandPlace) {
    this.#place = place;
    this.kernel = place.services.kernel;
  }

  /** One that is yet to be started. @throws CloisterError `ERR_SANDBOX_STATE` when the sandbox has ended. */
  add(spec: CommandSpec): Command {
    if (this.#place.isGone)
      throw new CloisterError('ERR_SANDBOX_STATE', 'the sandbox has ended: it runs no more commands');
    const command = new Command(++this.#lastId, spec, this);
    this.#commands.set(command.id, command);
    this.kernel.hold();
    void command.result.catch(() => undefined).finally(() => this.#forget(command));
    return command;
  }

  /** Starts one in a sandbox that lives. */
  exec(spec: CommandSpec): Command {
    const command = this.add(spec);
    this.#start(command).catch((error: unknown) => command.fail(error));
    return command;
  }

  planOf(command: Command): CommandPlan {
    const { spec, services, image } = this.#place;
    return planCommand(spec, command.spec, services.rlimits, image?.defaults);
  }

  fdsOf(command: Command): CommandFds {
    const { isOneShot } = this.#place;
    const { directory, tasks } = command.cgroup.entry;
    // The only command of a sandbox is in the v2 group of its init already.
    const cgroup = isOneShot ? -1 : (directory ?? -1);
    return { id: command.id, killRest: isOneShot, stdio: command.stdio.theirs, cgroup, cgroupFiles: tasks };
  }

  /** What the image says (SIGTERM if nothing) to every command's main process; resolves when all have ended, or after that time. */
  async askToEnd(timeoutMs: number): Promise<void> {
    const commands = [...this.#commands.values()];
    // As Docker: what an image names and this machine does not know is SIGTERM.
    const signal = signalFromText(this.#place.image?.defaults.stopSignal ?? '') ?? constants.signals.SIGTERM;
    for (const command of commands) command.kill(signal);
    await within(timeoutMs, Promise.allSettled(commands.map(({ result }) => result)));
  }

  onRecord(record: StatusRecord): void {
    const command = this.#commands.get(record.command);
    if (record.type === 'exited') void this.#onExited(record, command);
    else command?.onRecord(record);
  }

  /** None of them can be started. */
  fail(error: unknown): void {
    for (const command of this.#commands.values()) command.fail(error);
  }

  /**
   * The end of init is the end of every process inside: commands without a record of their own died of SIGKILL.
   *
   * @param record - of init's end. @param isExpected - somebody here asked for it.
   */
  onGone(error: unknown, record: StatusRecord | undefined, isExpected: boolean): void {
    const running = [...this.#commands.values()].filter(({ hasEntered }) => hasEntered);
    const wasInitKilled = record !== undefined && !isExpected && running.length > 0 && this.#hasOtherOomKills(running);
    for (const command of this.#commands.values()) {
      // Nobody here asked for it: the kernel was short of memory, and killed all of the command or chose init.
      const isOom = !isExpected && command.hasEntered && (wasInitKilled || oomKillsOf(command) > 0);
      if (record !== undefined) command.end(isOom ? 'oom' : 'killed');
      // Init, killed before it could say that the program runs: that it may have done something is what counts.
      const hasRun = command.pid !== undefined || (command.isSent && (isExpected || isOom));
      if (record === undefined || !hasRun) command.fail(error);
      else command.complete({ ...record, value: 9 });
    }
  }

  async signal(command: Command, signal: number): Promise<void> {
    await this.#place.init?.signal(command.id, signal);
  }

  async endCommand(command: Command): Promise<void> {
    await endCommand(command, this.#place);
  }

  takeTerminal(): number {
    const { init } = this.#place;
    if (init === undefined) throw new CloisterError('ERR_SANDBOX_STATE', 'the sandbox is gone');
    return init.takeTerminal();
  }

  initShares(command: Command): boolean {
    return this.#place.resources.holdsInit(command.cgroup);
  }

  onStarted(command: Command): void {
    this.#place.observer.onCommandStarted?.(command);
  }

  onEnded(command: Command, result: CommandResult<string | Uint8Array>): void {
    this.#oomKills += result.usage.oomKills ?? 0;
    this.#place.observer.onCommandEnded?.(command, result);
  }

  /** Whether the kernel killed a process of the sandbox for memory that is no command's. */
  #hasOtherOomKills(running: readonly Command[]): boolean {
    const known = running.reduce((sum, command) => sum + oomKillsOf(command), this.#oomKills);
    return (this.#place.resources.cgroup.usage().oomKills ?? 0) > known;
  }

  async #start(command: Command): Promise<void> {
    const { services } = this.#place;
    await services.turns.pass();
    if (command.isOver) return;
    command.enter(this.#place.resources.cgroup.child());
    await this.#place.init?.exec(this.planOf(command), this.fdsOf(command));
    command.onSent();
  }

  #forget(command: Command): void {
    this.#commands.delete(command.id);
    this.kernel.release();
    const keepsGroup = this.#place.isOneShot || command.spec.keepDescendants || !command.hasEntered;
    // One that cannot be removed yet goes with the sandbox's group, or with this application.
    if (!keepsGroup) command.cgroup.remove().catch(() => undefined);
  }

  async #onExited(record: StatusRecord, command: Command | undefined): Promise<void> {
    if (command === undefined) return;
    const { isOneShot } = this.#place;
    try {
      const rest = isOneShot || command.spec.keepDescendants ? record.rest : command.cgroup.processes().length;
      if (rest > 0 && !isOneShot) await command.cgroup.kill();
      command.complete({ ...record, rest });
    } catch (error) {
      command.fail(error);
    }
  }
}
