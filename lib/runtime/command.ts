import { constants } from 'node:os';
import { CloisterError } from '../errors.js';
import type { Cgroup } from '../cgroup/manager.js';
import type { CgroupUsage } from '../cgroup/usage.js';
import type { Kernel } from '../native/kernel.js';
import type { StatusRecord } from '../native/status.js';
import { deferred } from '../shared/deferred.js';
import { signalName } from '../shared/signals.js';
import { CommandLimits } from './command-limits.js';
import { CommandStdio } from './command-stdio.js';
import { refusalError } from './refusal.js';
import { decodeWaitStatus, judgeEnd, toUsage, type CommandResult, type EndReason } from './result.js';
import type { CommandSpec } from './spec.js';

/** What a command needs of the sandbox that it runs in. */
export interface CommandHost {
  readonly kernel: Kernel;
  /** Ends every process of the command; resolves when that is on its way. */
  endCommand(command: Command): Promise<void>;
  /** To its main process. */
  signal(command: Command, signal: number): Promise<void>;
  /** Hands over the terminal that init opened. */
  takeTerminal(): number;
  /** Whether init is in the command's group and counted with it. */
  initShares(command: Command): boolean;
  onStarted(command: Command): void;
  onEnded(command: Command, result: CommandResult<string | Uint8Array>): void;
}

/** These come with a SIGKILL, of which no program exits. */
const ASKED_FOR: ReadonlySet<EndReason | undefined> = new Set(['timeout', 'abort', 'killed']);

/** One command, from its plan to its result. Driven by the records of its sandbox. */
export class Command {
  readonly id: number;
  readonly spec: CommandSpec;
  readonly stdio: CommandStdio;
  /** Resolves with the pid inside. */
  readonly started: Promise<number>;
  readonly result: Promise<CommandResult<string | Uint8Array>>;
  readonly #host: CommandHost;
  readonly #limits: CommandLimits;
  readonly #started = deferred<number>();
  readonly #result = deferred<CommandResult<string | Uint8Array>>();
  #cgroup: Cgroup | undefined;
  #cause: EndReason | undefined;
  /** Why it has no result, though it ran. */
  #failure: unknown;
  #pid: number | undefined;
  readonly #sentSignals = new Set<string>();
  #initUsage: Pick<StatusRecord, 'userUs' | 'systemUs'> | undefined;
  #isSent = false;
  #isOver = false;
  #startedAtNs = process.hrtime.bigint();

  constructor(id: number, spec: CommandSpec, host: CommandHost) {
    this.id = id;
    this.spec = spec;
    this.#host = host;
    this.started = this.#started.promise;
    this.result = this.#result.promise;
    this.stdio = new CommandStdio(spec, host.kernel, {
      onExceeded: () => this.end('output'),
      onInputFailed: (error) => this.#breakOff(error),
    });
    this.#limits = new CommandLimits(
      spec,
      () => this.#ownUsage(),
      (cause) => this.end(cause),
    );
  }

  /** Gives it the group that it will run in; before that it can only fail. */
  enter(cgroup: Cgroup): void {
    this.#cgroup = cgroup;
  }

  get hasEntered(): boolean {
    return this.#cgroup !== undefined;
  }

  get cgroup(): Cgroup {
    if (this.#cgroup === undefined) throw new CloisterError('ERR_SANDBOX_STATE', 'the command was not started yet');
    return this.#cgroup;
  }

  get pid(): number | undefined {
    return this.#pid;
  }

  /** It was handed to init; that it runs is reported a moment after it does. */
  get isSent(): boolean {
    return this.#isSent;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Ends the command and everything it started. The first cause stays. */
  end(cause: EndReason): void {
    if (this.#isOver || this.#cause !== undefined) return;
    this.#cause = cause;
    if (!this.#isSent) return this.fail(this.#failure ?? notStarted(cause));
    void this.#host.endCommand(this).catch((error: unknown) => this.fail(error));
  }

  /** To the main process. It is remembered: dying of it is not the program's own doing. SIGKILL ends every process of the command. */
  kill(signal: number): void {
    if (this.#isOver) return;
    if (signal === constants.signals.SIGKILL) return this.end('killed');
    this.#sentSignals.add(signalName(signal));
    this.#started.promise
      .then(
        () => this.#host.signal(this, signal),
        () => undefined,
      )
      .catch((error: unknown) => this.fail(error));
  }

  /** It is on its way to init. */
  onSent(): void {
    this.#isSent = true;
    this.stdio.closeTheirs();
    if (!this.#isOver) this.#limits.start();
  }

  onRecord(record: StatusRecord): void {
    if (this.#isOver) return;
    if (record.type === 'started') this.#onStarted(record);
    else if (record.type === 'terminal') this.#openTerminal();
    else if (record.type === 'failed' && record.refusal !== undefined) this.fail(refusalError(record.refusal));
  }

  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#finish();
    this.#started.reject(error);
    this.#result.reject(error);
  }

  /** Every process of the command is dead (or was left alone at the caller's wish): judges and reports. */
  complete(record: StatusRecord): void {
    if (this.#isOver) return;
    this.stdio.finish();
    const endedNs = record.endedNs === 0n ? process.hrtime.bigint() : record.endedNs;
    const startedNs = record.startedNs === 0n ? this.#startedAtNs : record.startedNs;
    const usage = toUsage(Number(endedNs - startedNs) / 1e6, this.#ownUsage(), record);
    const end = decodeWaitStatus(record.value);
    const cause = this.#causeOf(end);
    const { cpuTimeMs, rlimits } = this.spec;
    const hasCpuLimit = cpuTimeMs < Infinity || (rlimits.cpu?.soft ?? Infinity) < Infinity;
    const facts = { waitStatus: record.value, cause, usage, rest: record.rest, cpuTimeLimitMs: cpuTimeMs, hasCpuLimit };
    const reason = judgeEnd(facts);
    const result = { ...end, reason, ...this.stdio.output(), usage };
    this.#finish();
    if (this.#pid === undefined) this.#started.reject(notStarted(this.#cause ?? 'killed'));
    else this.#started.resolve(this.#pid);
    this.#host.onEnded(this, result);
    if (this.#failure !== undefined) this.#result.reject(this.#failure);
    else if (this.spec.reject && (end.exitCode !== 0 || reason !== 'exit'))
      this.#result.reject(commandFailed(this.spec, result));
    else this.#result.resolve(result);
  }

  /** A group that init shares holds what init used before, too, and init itself. Until the program starts there is nothing else. */
  #ownUsage(): CgroupUsage {
    const usage = this.cgroup.usage();
    if (this.#pid === undefined && this.#host.initShares(this)) return { ...usage, cpuUserUs: 0, cpuSystemUs: 0 };
    const initUsage = this.#initUsage;
    if (initUsage === undefined) return usage;
    const less = (value: number | undefined, part: number): number | undefined => value && Math.max(0, value - part);
    return {
      ...usage,
      cpuUserUs: less(usage.cpuUserUs, initUsage.userUs),
      cpuSystemUs: less(usage.cpuSystemUs, initUsage.systemUs),
      pidsPeak: less(usage.pidsPeak, 1),
    };
  }

  /** What ended it. Whoever asks for an end may do so when the program has exited by itself and nobody here knows yet. */
  #causeOf({ exitCode, signal }: { exitCode: number | undefined; signal: string | undefined }): EndReason | undefined {
    if (this.stdio.isExceeded) return 'output';
    const cameTooLate = exitCode !== undefined && ASKED_FOR.has(this.#cause);
    if (this.#cause !== undefined && !cameTooLate) return this.#cause;
    return signal !== undefined && this.#sentSignals.has(signal) ? 'killed' : undefined;
  }

  /** An application out of descriptors cannot take it: that ends this command, not what tells of all of them. */
  #openTerminal(): void {
    try {
      this.stdio.openTerminal(this.#host.takeTerminal());
    } catch (error) {
      this.#breakOff(error);
    }
  }

  /** What a program makes of a part of its input is no result. */
  #breakOff(error: unknown): void {
    if (this.#isOver || this.#cause !== undefined) return;
    this.#failure = error;
    this.end('killed');
  }

  #onStarted(record: StatusRecord): void {
    this.#pid = record.value;
    if (this.#host.initShares(this)) this.#initUsage = record;
    this.#startedAtNs = record.startedNs;
    this.stdio.onStarted();
    this.#started.resolve(record.value);
    this.#host.onStarted(this);
  }

  #finish(): void {
    this.#isOver = true;
    this.#limits.stop();
    this.stdio.dispose();
  }
}

function notStarted(cause: EndReason): CloisterError {
  return new CloisterError('ERR_ABORTED', `the command was ended (${cause}) before it was started`);
}

/** The error for `reject: true`; the whole result is its cause. */
function commandFailed(spec: CommandSpec, result: CommandResult<string | Uint8Array>): CloisterError {
  const how =
    result.exitCode === undefined ? `was ended by ${result.signal ?? 'a signal'}` : `exited with ${result.exitCode}`;
  const message = `${spec.argv[0] ?? ''} ${how} (${result.reason})`;
  return new CloisterError('ERR_COMMAND_FAILED', message, { subject: spec.argv.join(' '), cause: result });
}
