import { randomBytes } from 'node:crypto';
import { constants } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CloisterError } from '../errors.js';
import type { CgroupLimits } from '../cgroup/limits.js';
import type { Cgroup } from '../cgroup/manager.js';
import type { KernelSandbox } from '../native/kernel.js';
import type { StatusRecord } from '../native/status.js';
import type { CommandFds, CommandPlan } from '../native/plan.js';
import { deferred } from '../shared/deferred.js';
import { signalNumber } from '../shared/signals.js';
import { within } from '../shared/within.js';
import { Command, type CommandHost } from './command.js';
import { endCommand } from './end-command.js';
import { ImageRoot, type SandboxChanges } from './image-root.js';
import type { OpenImage } from './image.js';
import { launchSandbox } from './launch.js';
import type { SandboxObserver } from './observer.js';
import { Pause } from './pause.js';
import { planCommand } from './plan-command.js';
import { launcherDied, refusalError } from './refusal.js';
import { SandboxResources } from './resources.js';
import type { CommandResult } from './result.js';
import type { Services } from './services.js';
import type { CommandSpec, SandboxSpec } from './spec.js';

/**
 * A sandbox and its resources: id range, root file system, cgroup, init.
 *
 * ```text
 *  start() ── launch ──► ready ──► exec()… ──► end() ──► gone ──► released
 *          └─ with a first command: started ──► exited (nothing else lives inside) ──► gone ──► released
 * ```
 */
export class RunningSandbox implements CommandHost {
  readonly id = randomBytes(6).toString('hex');
  readonly spec: SandboxSpec;
  readonly kernel: Services['kernel'];
  /** Resolves when nothing of it is left: no process, mount, cgroup or descriptor. */
  readonly released: Promise<void>;
  readonly #services: Services;
  readonly #observer: SandboxObserver;
  readonly #commands = new Map<number, Command>();
  readonly #ready = deferred<void>();
  readonly #gone = deferred<void>();
  readonly pause = new Pause(this.#gone.promise);
  #resources: SandboxResources | undefined;
  #init: KernelSandbox | undefined;
  readonly #root = new ImageRoot();
  #isOneShot = false;
  #lastCommand = 0;
  #isEnding = false;
  #isGone = false;

  private constructor(services: Services, spec: SandboxSpec, observer: SandboxObserver, isOneShot: boolean) {
    this.spec = spec;
    this.kernel = services.kernel;
    this.#services = services;
    this.#observer = observer;
    this.#isOneShot = isOneShot;
    this.released = this.#gone.promise.then(() => this.#release());
    // Whoever waits for the end hears of a failure; that nobody does must not end the application.
    this.released.catch(() => undefined);
  }

  /** A sandbox that lives until `end()`. Resolves when it is set up. */
  static async start(
    services: Services,
    spec: SandboxSpec,
    observer: SandboxObserver,
    signal?: AbortSignal,
  ): Promise<RunningSandbox> {
    const sandbox = new RunningSandbox(services, spec, observer, false);
    await sandbox.#awake(sandbox.#begin(undefined, sandbox.#ready.promise, signal));
    return sandbox;
  }

  /** A sandbox for one command, which ends with it. */
  static run(services: Services, spec: SandboxSpec, commandSpec: CommandSpec, observer: SandboxObserver = {}): Command {
    const sandbox = new RunningSandbox(services, spec, observer, true);
    const command = sandbox.#newCommand(commandSpec);
    sandbox.#begin(command, command.started, commandSpec.signal).catch((error: unknown) => command.fail(error));
    return command;
  }

  get cgroup(): Cgroup {
    return this.#held.cgroup;
  }

  get #held(): SandboxResources {
    if (this.#resources === undefined) throw new CloisterError('ERR_SANDBOX_STATE', 'the sandbox was not started yet');
    return this.#resources;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  exec(spec: CommandSpec): Command {
    const command = this.#newCommand(spec);
    this.#startCommand(command).catch((error: unknown) => command.fail(error));
    return command;
  }

  async signal(command: Command, signal: number): Promise<void> {
    await this.#init?.signal(command.id, signal);
  }

  /** The image that it was made of. */
  get image(): OpenImage | undefined {
    return this.#root.image;
  }

  /** What it has changed of its image. @throws CloisterError `ERR_UNSUPPORTED` where that cannot be told. */
  get changes(): SandboxChanges {
    return this.#root.changes(this.#held.maps);
  }

  /** What the image says (SIGTERM if nothing) to every command's main process; resolves when all have ended, or after that time. */
  async askToEnd(timeoutMs: number): Promise<void> {
    const commands = [...this.#commands.values()];
    const signal = signalNumber(this.#root.image?.defaults.stopSignal ?? 'SIGTERM') ?? constants.signals.SIGTERM;
    for (const command of commands) command.kill(signal);
    await within(timeoutMs, Promise.allSettled(commands.map(({ result }) => result)));
  }

  /** Changes limits of everything inside. */
  update(changes: CgroupLimits): void {
    this.#held.update(changes);
  }

  /** Ends everything inside at once. Resolves when nothing is left. */
  async end(): Promise<void> {
    this.#isEnding = true;
    if (!this.#isGone) await this.#init?.kill();
    await this.waitForEnd();
  }

  waitForEnd(): Promise<void> {
    return this.#awake(this.released);
  }

  async #release(): Promise<void> {
    // Whoever waits for the result comes first.
    await nextTurn();
    await this.#services.turns.pass();
    try {
      await this.#resources?.release();
    } finally {
      this.#root.image?.[Symbol.dispose]();
    }
  }

  /** Node does not exit while this is waited for, as it would with an idle sandbox. */
  async #awake<T>(work: Promise<T>): Promise<T> {
    this.kernel.hold();
    try {
      return await work;
    } finally {
      this.kernel.release();
    }
  }

  async endCommand(command: Command): Promise<void> {
    const place = { init: this.#init, pause: this.pause, isOneShot: this.#isOneShot, isGone: () => this.#isGone };
    await endCommand(command, place);
  }

  takeTerminal(): number {
    if (this.#init === undefined) throw new CloisterError('ERR_SANDBOX_STATE', 'the sandbox is gone');
    return this.#init.takeTerminal();
  }

  initShares(command: Command): boolean {
    return this.#held.holdsInit(command.cgroup);
  }

  onStarted(command: Command): void {
    this.#observer.onCommandStarted?.(command);
  }

  onEnded(command: Command, result: CommandResult<string | Uint8Array>): void {
    this.#observer.onCommandEnded?.(command, result);
  }

  #newCommand(spec: CommandSpec): Command {
    if (this.#isGone) throw new CloisterError('ERR_SANDBOX_STATE', 'the sandbox has ended: it runs no more commands');
    const command = new Command(++this.#lastCommand, spec, this);
    this.#commands.set(command.id, command);
    this.kernel.hold();
    void command.result.catch(() => undefined).finally(() => this.#forget(command));
    return command;
  }

  #forget(command: Command): void {
    this.#commands.delete(command.id);
    this.kernel.release();
    const keepsGroup = this.#isOneShot || command.spec.keepDescendants || !command.hasEntered;
    // One that cannot be removed yet goes with the sandbox's group, or with this application.
    if (!keepsGroup) command.cgroup.remove().catch(() => undefined);
  }

  async #startCommand(command: Command): Promise<void> {
    await this.#services.turns.pass();
    if (command.isOver) return;
    command.enter(this.cgroup.child());
    const fds = this.#fdsOf(command);
    await this.#init?.exec(this.#planCommand(command), fds);
    command.onSent();
  }

  #fdsOf(command: Command): CommandFds {
    const { directory, tasks } = command.cgroup.entry;
    // The only command of a sandbox is in the v2 group of its init already.
    const cgroup = this.#isOneShot ? -1 : (directory ?? -1);
    return { id: command.id, killRest: this.#isOneShot, stdio: command.stdio.theirs, cgroup, cgroupFiles: tasks };
  }

  /** An image may take minutes to arrive: only then does the start take a place among those that run at the same time. */
  async #begin(first: Command | undefined, begun: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
    try {
      if (this.spec.image.kind === 'image') this.#root.image = await this.#services.openImage(this.spec.image, signal);
      await this.#services.starts.add(async () => {
        await this.#services.turns.pass();
        if (first?.isOver === true) return this.#onGone(undefined);
        await this.#launch(first);
        await begun;
      });
    } catch (error) {
      // Where init has reported something, it has yet to be reaped.
      if (this.#init === undefined) this.#onGone(error);
      throw error;
    }
  }

  async #launch(first: Command | undefined): Promise<void> {
    const resources = SandboxResources.take(this.#services, this.spec, this.#isOneShot);
    this.#resources = resources;
    first?.enter(resources.cgroup);
    const launched = await launchSandbox(this.#services, {
      id: this.id,
      spec: this.spec,
      resources,
      image: this.#root.image,
      first: first && { plan: this.#planCommand(first), fds: this.#fdsOf(first) },
      onRecord: (record: StatusRecord) => this.#onRecord(record),
    });
    this.#init = launched.init;
    this.#root.changesPath = launched.changes;
    first?.onSent();
  }

  #planCommand(command: Command): CommandPlan {
    return planCommand(this.spec, command.spec, this.#services.rlimits, this.#root.image?.defaults);
  }

  #onReady(): void {
    this.#root.receive(this.#init);
    this.#ready.resolve();
  }

  #onRecord(record: StatusRecord): void {
    if (record.type === 'ready') this.#onReady();
    else if (record.type === 'broken' && record.refusal !== undefined) this.#onBroken(refusalError(record.refusal));
    else if (record.type === 'gone')
      this.#onGone(new CloisterError('ERR_LAUNCHER', 'the sandbox was ended before this was started'), record);
    else if (record.type === 'lost') this.#onGone(launcherDied());
    else if (record.type === 'exited') void this.#onExited(record);
    else this.#commands.get(record.command)?.onRecord(record);
  }

  #onBroken(error: CloisterError): void {
    this.#ready.reject(error);
    for (const command of this.#commands.values()) command.fail(error);
  }

  async #onExited(record: StatusRecord): Promise<void> {
    const command = this.#commands.get(record.command);
    if (command === undefined) return;
    try {
      const rest = this.#isOneShot || command.spec.keepDescendants ? record.rest : command.cgroup.processes().length;
      if (rest > 0 && !this.#isOneShot) await command.cgroup.kill();
      command.complete({ ...record, rest });
    } catch (error) {
      command.fail(error);
    }
  }

  /** The end of init is the end of every process inside: commands without a record of their own died of SIGKILL. */
  #onGone(error: unknown, record?: StatusRecord): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#root.close();
    this.#ready.reject(error);
    for (const command of this.#commands.values()) {
      // Nobody here asked for it: the kernel chose init when it was short of memory.
      const isOom = !this.#isEnding && command.hasEntered && (command.cgroup.usage().oomKills ?? 0) > 0;
      if (record !== undefined) command.end(isOom ? 'oom' : 'killed');
      if (record === undefined || command.pid === undefined) command.fail(error);
      else command.complete({ ...record, value: 9 });
    }
    this.#gone.resolve();
    this.#observer.onGone?.();
  }
}
