import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CloisterError } from '../errors.js';
import type { CgroupLimits } from '../cgroup/limits.js';
import type { Cgroup } from '../cgroup/manager.js';
import type { KernelSandbox } from '../native/kernel.js';
import type { StatusRecord } from '../native/status.js';
import { deferred } from '../shared/deferred.js';
import type { Command } from './command.js';
import { ImageRoot, type SandboxChanges } from './image-root.js';
import type { OpenImage } from './image.js';
import { launchSandbox } from './launch.js';
import type { SandboxObserver } from './observer.js';
import { Pause } from './pause.js';
import { launcherDied, refusalError } from './refusal.js';
import { SandboxResources } from './resources.js';
import { SandboxCommands, type CommandPlace } from './sandbox-commands.js';
import type { Services } from './services.js';
import type { CommandSpec, SandboxSpec } from './spec.js';

/** After these, nothing that a sandbox for one command was made for runs in it. */
const ENDS_ALL: readonly StatusRecord['type'][] = ['exited', 'failed', 'broken'];

/**
 * A sandbox and its resources: id range, root file system, cgroup, init.
 *
 * ```text
 *  start() ── launch ──► ready ──► exec()… ──► end() ──► gone ──► released
 *          └─ with a first command: started ──► exited (nothing else lives inside) ──► gone ──► released
 * ```
 */
export class RunningSandbox implements CommandPlace {
  readonly id = randomBytes(6).toString('hex');
  readonly spec: SandboxSpec;
  readonly services: Services;
  readonly observer: SandboxObserver;
  readonly isOneShot: boolean;
  /** Resolves when nothing of it is left: no process, mount, cgroup or descriptor. */
  readonly released: Promise<void>;
  readonly #ready = deferred<void>();
  readonly #gone = deferred<void>();
  readonly pause = new Pause(this.#gone.promise, () => this.#isEnding);
  readonly #root = new ImageRoot();
  readonly #commands: SandboxCommands;
  #resources: SandboxResources | undefined;
  #init: KernelSandbox | undefined;
  #isEnding = false;
  #isGone = false;

  private constructor(services: Services, spec: SandboxSpec, observer: SandboxObserver, isOneShot: boolean) {
    this.spec = spec;
    this.services = services;
    this.observer = observer;
    this.isOneShot = isOneShot;
    this.#commands = new SandboxCommands(this);
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
    await sandbox.#awake(() => sandbox.#begin(undefined, sandbox.#ready.promise, signal));
    return sandbox;
  }

  /** A sandbox for one command, which ends with it. */
  static run(services: Services, spec: SandboxSpec, commandSpec: CommandSpec, observer: SandboxObserver = {}): Command {
    const sandbox = new RunningSandbox(services, spec, observer, true);
    const command = sandbox.#commands.add(commandSpec);
    sandbox.#begin(command, command.started, commandSpec.signal).catch((error: unknown) => command.fail(error));
    return command;
  }

  get cgroup(): Cgroup {
    return this.resources.cgroup;
  }

  /** @throws CloisterError `ERR_SANDBOX_STATE` before it is launched. */
  get resources(): SandboxResources {
    if (this.#resources === undefined) throw new CloisterError('ERR_SANDBOX_STATE', 'the sandbox was not started yet');
    return this.#resources;
  }

  get init(): KernelSandbox | undefined {
    return this.#init;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** The image that it was made of. */
  get image(): OpenImage | undefined {
    return this.#root.image;
  }

  /** What it has changed of its image. @throws CloisterError `ERR_UNSUPPORTED` where that cannot be told. */
  get changes(): SandboxChanges {
    return this.#root.changes(this.resources.maps);
  }

  exec(spec: CommandSpec): Command {
    this.#root.beforePrograms();
    return this.#commands.exec(spec);
  }

  /** As `SandboxCommands.askToEnd`. */
  askToEnd(timeoutMs: number): Promise<void> {
    return this.#commands.askToEnd(timeoutMs);
  }

  /** Changes limits of everything inside. */
  update(changes: CgroupLimits): void {
    this.resources.update(changes);
  }

  /** Ends everything inside at once. Resolves when nothing is left. */
  async end(): Promise<void> {
    this.#isEnding = true;
    if (!this.#isGone) await this.#init?.kill();
    await this.waitForEnd();
  }

  waitForEnd(): Promise<void> {
    return this.#awake(() => this.released);
  }

  async #release(): Promise<void> {
    // Whoever waits for the result comes first.
    await nextTurn();
    await this.services.turns.pass();
    await this.#resources?.release();
  }

  /** Node does not exit while this is waited for, as it would with an idle sandbox. */
  async #awake<T>(work: () => Promise<T>): Promise<T> {
    this.services.kernel.hold();
    try {
      return await work();
    } finally {
      this.services.kernel.release();
    }
  }

  /** An image may take minutes to arrive: only then does the start take a place among those that run at the same time. */
  async #begin(first: Command | undefined, begun: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
    try {
      if (this.spec.image.kind === 'image') this.#root.hold(await this.services.openImage(this.spec.image, signal));
      await this.services.starts.add(async () => {
        await this.services.turns.pass();
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
    const resources = SandboxResources.take(this.services, this.spec, this.isOneShot);
    this.#resources = resources;
    first?.enter(resources.cgroup);
    const launched = await launchSandbox(this.services, {
      id: this.id,
      spec: this.spec,
      resources,
      image: this.#root.image,
      first: first && { plan: this.#commands.planOf(first), fds: this.#commands.fdsOf(first) },
      onRecord: (record: StatusRecord) => this.#onRecord(record),
    });
    this.#init = launched.init;
    this.#root.changesPath = launched.changes;
    first?.onSent();
  }

  #onReady(): void {
    this.#root.receive(this.#init);
    this.#ready.resolve();
  }

  #onRecord(record: StatusRecord): void {
    if (this.isOneShot && ENDS_ALL.includes(record.type)) this.#root.releaseImage();
    if (record.type === 'ready') this.#onReady();
    else if (record.type === 'broken' && record.refusal !== undefined) this.#onBroken(refusalError(record.refusal));
    else if (record.type === 'gone')
      this.#onGone(new CloisterError('ERR_LAUNCHER', 'the sandbox was ended before this was started'), record);
    else if (record.type === 'lost') this.#onGone(launcherDied());
    else this.#commands.onRecord(record);
  }

  #onBroken(error: CloisterError): void {
    this.#ready.reject(error);
    this.#commands.fail(error);
  }

  #onGone(error: unknown, record?: StatusRecord): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#root.close();
    this.#ready.reject(error);
    this.#commands.onGone(error, record, this.#isEnding);
    this.#gone.resolve();
    this.observer.onGone?.();
  }
}
