import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'eventemitter3';
import type { CgroupLimits } from '../cgroup/limits.js';
import type { HealthMonitor, HealthStatus } from '../runtime/health.js';
import { RunningSandbox } from '../runtime/sandbox.js';
import type { SandboxSpec } from '../runtime/spec.js';
import { onAbort } from '../shared/abort.js';
import { apart } from './apart.js';
import { checkDuration, checkObject, checkSignal } from './check.js';
import { CommandEvents } from './command-events.js';
import { checkCommand, splitRunOptions, throwIfAborted } from './command-spec.js';
import { checkCommit, type CommitOptions } from './commit-options.js';
import { SandboxCommits } from './commit.js';
import type { SandboxEventName, SandboxEvents, SandboxStats } from './events.js';
import type { Host } from './host.js';
import { checkHost } from './image-options.js';
import type { Image } from './image.js';
import type { ExecOptions, LimitOptions, RunOptions, SandboxOptions } from './options.js';
import { SandboxProcess } from './process.js';
import { listProcesses, type ProcessInfo } from './processes.js';
import { runObserved } from './run-observed.js';
import { checkCgroupLimits, checkSandbox, checkUpdateKeys, SANDBOX_KEYS } from './sandbox-spec.js';
import { wrongState, type SandboxState } from './sandbox-state.js';
import { sampleStats } from './stats.js';
import { watchHealth } from './watch-health.js';

type OutputOf<Encoding> = Encoding extends 'buffer' ? Uint8Array : string;

const RUN_TIMEOUT_MS = 60_000;
const EXEC_TIMEOUT_MS = 600_000;
const STOP_TIMEOUT_MS = 10_000;

/**
 * A living sandbox: made once, then given any number of commands. All share its files, processes and limits; each is
 * accounted for by itself.
 *
 * @example
 * ```ts
 * await using box = await Sandbox.create({ limits: { memory: '256MiB', pids: 64 } });
 * await box.exec(['sh', '-c', 'echo 42 > /tmp/answer']);
 * const { stdout } = await box.exec(['cat', '/tmp/answer']);
 * ```
 */
export class Sandbox
  extends EventEmitter<{ [Name in SandboxEventName]: [SandboxEvents[Name]] }>
  implements AsyncDisposable
{
  /** Twelve hexadecimal digits, unlike any other's. */
  readonly id: string;
  /** The id, where none was given. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly #host: Host;
  readonly #spec: SandboxSpec;
  readonly #events: CommandEvents;
  readonly #commits: SandboxCommits;
  #listening: Disposable | undefined;
  #running: RunningSandbox | undefined;
  #health: HealthMonitor | undefined;
  #limits: CgroupLimits;
  #state: SandboxState = 'created';

  private constructor(host: Host, id: string, spec: SandboxSpec) {
    super();
    this.id = id;
    this.name = spec.name ?? id;
    this.labels = spec.labels;
    this.#host = host;
    this.#spec = spec;
    this.#limits = { ...spec.defaultLimits, ...spec.cgroup };
    this.#commits = new SandboxCommits(host, this);
    this.#events = new CommandEvents({
      tell: (name, facts) => this.#tell(name, facts),
      isObserved: () => host.isObserved || this.eventNames().length > 0,
      usage: () => this.#running?.cgroup.usage(),
      isOwn: (command) => this.#health?.owns(command) === true,
      onGone: () => this.#onGone(),
    });
  }

  /**
   * Runs one command in a sandbox of its own, which is gone afterwards.
   *
   * @throws CloisterError (as a rejection) `ERR_INVALID_OPTION`, `ERR_LIMIT_UNSUPPORTED`, `ERR_COMMAND_NOT_FOUND`,
   * `ERR_COMMAND_NOT_EXECUTABLE`, `ERR_CWD_NOT_FOUND`, `ERR_USER_NOT_FOUND`; an exit code other than 0 is no error.
   * @example
   * ```ts
   * const { exitCode, reason, stdout, usage } = await Sandbox.run(['python3', '-c', 'print(6*7)'], {
   *   limits: { memory: '256MiB', cpus: 0.5, pids: 64 },
   *   timeout: '5s',
   * });
   * ```
   */
  static run<Encoding extends 'utf8' | 'buffer' = 'utf8'>(
    command: readonly string[],
    options: RunOptions<Encoding> = {},
  ): SandboxProcess<OutputOf<Encoding>> {
    return new SandboxProcess(() => {
      const { sandbox, exec, host } = splitRunOptions(options);
      const spec = checkSandbox(sandbox);
      const commandSpec = checkCommand(command, exec, spec, RUN_TIMEOUT_MS);
      return runObserved(checkHost(host), spec, commandSpec);
    });
  }

  /**
   * Makes a sandbox that lives until it is stopped or removed, or this application ends. Resolves when it is set up; when it
   * rejects, or `signal` is aborted meanwhile, nothing is left of it.
   *
   * @throws CloisterError (as a rejection) `ERR_INVALID_OPTION`, `ERR_LIMIT_UNSUPPORTED`, `ERR_NAME_IN_USE`, `ERR_UNSUPPORTED`,
   * `ERR_PERMISSION`, `ERR_SECCOMP_PROFILE`, `ERR_ABORTED`, `ERR_KERNEL`.
   * @example
   * ```ts
   * await using box = await Sandbox.create({ name: 'workspace', limits: { memory: '512MiB', cpus: 2 } });
   * console.log(box.state, (await box.exec(['id', '-u'])).stdout);
   * ```
   */
  static async create(options: SandboxOptions = {}): Promise<Sandbox> {
    const { host: given, ...fields } = checkObject('', options, ['host', ...SANDBOX_KEYS]);
    const host = checkHost(given);
    const signal = checkSignal('signal', fields['signal']);
    const spec = checkSandbox(fields);
    throwIfAborted(signal);
    const id = randomBytes(6).toString('hex');
    const sandbox = new Sandbox(host, id, spec);
    return host.sandboxes.add(sandbox.name, () => sandbox.#start(signal));
  }

  /** The sandbox of this application with that id or name. */
  static get(idOrName: string, options: { host?: Host } = {}): Sandbox | undefined {
    return checkHost(checkObject('', options, ['host'])['host']).sandboxes.get(idOrName);
  }

  /** This application's sandboxes, oldest first; with `labels` only those that have them all. */
  static list(options: { labels?: Readonly<Record<string, string>>; host?: Host } = {}): Sandbox[] {
    const { labels, host } = checkObject('', options, ['labels', 'host']);
    return [...checkHost(host).sandboxes.all(labels)];
  }

  /** The sandbox of that name, made now if there is none; the other options count only then. Concurrent calls get the same one. */
  static async getOrCreate(options: SandboxOptions & { name: string }): Promise<Sandbox> {
    const { host, name } = checkObject('', options, ['host', ...SANDBOX_KEYS]);
    const pending = typeof name === 'string' ? checkHost(host).sandboxes.pending(name) : undefined;
    return pending ?? Sandbox.create(options);
  }

  /** As of now; `stopped`, too, when its end came from elsewhere. */
  get state(): SandboxState {
    return this.#state;
  }

  /** Undefined without a health check: see the option `health`. */
  get health(): HealthStatus | undefined {
    return this.#health?.status;
  }

  /**
   * Starts a command. Returns at once; the handle resolves with its result, and rejects when it could not be started.
   *
   * @throws CloisterError (as a rejection) as `Sandbox.run`, and `ERR_SANDBOX_STATE` unless the sandbox is running.
   * @example
   * ```ts
   * const p = box.exec(['sh', '-c', 'read x; echo got $x'], { stdin: 'pipe' });
   * p.stdin?.end('hi\n');
   * console.log((await p).stdout);
   * ```
   */
  exec<Encoding extends 'utf8' | 'buffer' = 'utf8'>(
    command: readonly string[],
    options: ExecOptions<Encoding> = {},
  ): SandboxProcess<OutputOf<Encoding>> {
    return new SandboxProcess(() => {
      const spec = checkCommand(command, options, this.#spec, EXEC_TIMEOUT_MS);
      return this.#alive('exec', ['running']).exec(spec);
    });
  }

  /**
   * Stops every process where it is; resolves when all have stopped. Time limits of commands go on: one whose time is over, or
   * that is killed or aborted, ends when the sandbox is resumed.
   *
   * @throws CloisterError `ERR_SANDBOX_STATE`, also when it ends meanwhile; `ERR_UNSUPPORTED` without a freezer; `ERR_KERNEL` when
   * a process does not stop within ten seconds, and everything runs on.
   */
  async pause(): Promise<void> {
    const running = this.#alive('pause', ['running']);
    await running.pause.begin(running.cgroup);
    this.#alive('pause', ['running']);
    this.#change('paused');
  }

  /** Lets everything that `pause` stopped go on. @throws CloisterError `ERR_SANDBOX_STATE` */
  async resume(): Promise<void> {
    const running = this.#alive('resume', ['paused']);
    await running.pause.end(running.cgroup);
    this.#alive('resume', ['paused']);
    this.#state = 'running';
    this.#tell('resumed', {});
  }

  /**
   * Changes limits of the living sandbox: `memory`, `swap`, `cpus`, `cpuWeight`, `cpuset`, `pids`, `io`. All of them or none.
   *
   * @throws CloisterError `ERR_LIMIT_UNSUPPORTED`; `ERR_KERNEL` with errno `EBUSY` for a memory limit below what is in use.
   */
  async update(limits: LimitOptions): Promise<void> {
    const changes = checkCgroupLimits(checkUpdateKeys(limits));
    this.#alive('update', ['running', 'paused']).update(changes);
    this.#limits = { ...this.#limits, ...changes };
    this.#tell('updated', { limits });
  }

  /**
   * SIGTERM, or what the image names, to the main process of every command, and SIGKILL to what is left when the time is over.
   * Resolves when nothing is left; a paused sandbox is resumed first.
   *
   * @param options - `timeout` in milliseconds or as `'10s'` (the default).
   */
  async stop(options: { timeout?: number | string } = {}): Promise<void> {
    const timeoutMs = checkDuration('timeout', checkObject('', options, ['timeout'])['timeout'], STOP_TIMEOUT_MS);
    if (this.#running?.isGone !== false) return this.wait();
    if (this.#state === 'paused') await this.resume();
    await this.#running.askToEnd(timeoutMs);
    await this.#running.end();
  }

  /** SIGKILL to everything inside. Resolves when nothing is left. Its files are gone, too; the name stays taken until `remove`. */
  async kill(): Promise<void> {
    await this.#running?.end();
  }

  /** Kills what runs and forgets the sandbox. Twice is fine. */
  async remove(): Promise<void> {
    await this.kill();
    if (this.#state === 'removed') return;
    this.#listening?.[Symbol.dispose]();
    this.#change('removed');
    this.#host.sandboxes.delete(this);
  }

  /** `remove()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.remove();
  }

  /** Resolves when the sandbox has ended, by whatever means, and nothing of it is left. */
  async wait(): Promise<void> {
    await this.#running?.waitForEnd();
  }

  /** What runs inside, without the sandbox's own init. */
  async processes(): Promise<ProcessInfo[]> {
    return listProcesses(this.#alive('processes', ['running', 'paused']).cgroup.processes());
  }

  /**
   * What it uses, at once and then again and again; ends with the sandbox or when the loop is left.
   *
   * @param options - `interval` in milliseconds or as `'1s'` (the default).
   */
  stats(options: { interval?: number | string; signal?: AbortSignal } = {}): AsyncGenerator<SandboxStats, void> {
    const fields = checkObject('', options, ['interval', 'signal']);
    const intervalMs = checkDuration('interval', fields['interval'], 1000);
    const running = this.#alive('stats', ['running', 'paused']);
    return sampleStats({
      cgroup: running.cgroup,
      ended: running.released,
      intervalMs,
      limits: () => this.#limits,
      signal: checkSignal('signal', fields['signal']),
    });
  }

  /**
   * Makes a new image: that of the sandbox and one more layer of exactly what was changed here since. Mounts, `/proc`, `/sys` and
   * `/dev` are not in it, nor are sockets. Everything inside stands still while the files are read, unless `pause` is false.
   *
   * The name stands for the new image when it resolves; one that fails leaves it as it was.
   *
   * @param reference - `'me/app:1'`; `latest` where there is no tag.
   * @throws CloisterError `ERR_UNSUPPORTED` for a sandbox that was not made of an image, or with the `copy` driver, which cannot
   * tell the changes; `ERR_KERNEL` for a file that no layer can hold, and with errno `ESTALE` for one that is changed meanwhile;
   * `ERR_INVALID_REFERENCE`, `ERR_INVALID_OPTION`, `ERR_SANDBOX_STATE`, `ERR_ABORTED`.
   * @example
   * ```ts
   * await box.exec(['sh', '-c', 'echo hello > /greeting']);
   * await box.commit('me/greeter:1', { cmd: ['cat', '/greeting'], labels: { stage: 'test' } });
   * ```
   */
  async commit(reference: string, options: CommitOptions = {}): Promise<Image> {
    return this.#commits.run(checkCommit(reference, options), () => this.#alive('commit', ['running', 'paused']));
  }

  async #start(signal: AbortSignal | undefined): Promise<Sandbox> {
    this.#running = await RunningSandbox.start(this.#host.services, this.#spec, this.#events, signal);
    if (signal?.aborted === true) {
      await this.#running.end();
      throwIfAborted(signal);
    }
    // What `remove` cannot do, `wait` tells.
    this.#listening = onAbort(signal, () => void this.remove().catch(() => undefined));
    this.#change('running', 'started');
    this.#health = watchHealth(this.#running, this.#spec, {
      tell: (name, facts) => this.#tell(name, facts),
      isRunning: () => this.#state === 'running',
    });
    return this;
  }

  #onGone(): void {
    this.#health?.stop();
    if (this.#state === 'running' || this.#state === 'paused') this.#change('stopped');
  }

  #alive(verb: string, states: readonly SandboxState[]): RunningSandbox {
    if (this.#running !== undefined && states.includes(this.#state)) return this.#running;
    throw wrongState(verb, states, this);
  }

  #change(state: SandboxState, event: SandboxEventName = state as SandboxEventName): void {
    this.#state = state;
    this.#tell(event, {});
  }

  #tell<Name extends SandboxEventName>(name: Name, facts: Omit<SandboxEvents[Name], 'time' | 'sandbox'>): void {
    const event = { time: Date.now(), sandbox: this.id, ...facts } as SandboxEvents[Name];
    apart(() => (this.emit as (name: SandboxEventName, event: unknown) => boolean).call(this, name, event));
    if (this.#host.isObserved) this.#host.emit({ type: name, ...event } as never);
  }
}
