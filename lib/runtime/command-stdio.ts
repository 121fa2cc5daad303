import type { Readable, Writable } from 'node:stream';
import { ReadStream } from 'node:tty';
import type { CloisterError } from '../errors.js';
import type { Kernel } from '../native/kernel.js';
import { OutputBudget, OutputReader } from './output.js';
import type { CommandSpec, StdinSpec } from './spec.js';
import { closeAll, StdinWriter } from './stdin.js';
import { TerminalInput } from './terminal-input.js';

/** A command that still runs after this gets its output read as it comes. */
const ATTACH_AFTER_MS = 2;

/** What a command is told of its streams. */
export interface StdioEvents {
  /** There was more output than it may have. */
  onExceeded(): void;
  /** The stream that its input came from broke off. */
  onInputFailed(error: CloisterError): void;
}

/** Both ends of a command's standard streams; with a terminal there is one stream for all. */
export class CommandStdio {
  readonly #spec: CommandSpec;
  readonly #kernel: Kernel;
  readonly #events: StdioEvents;
  readonly #budget: OutputBudget;
  /** Ends that the command gets; closed here once they were sent. */
  #theirs: [number, number, number] = [-1, -1, -1];
  #stdin: StdinWriter | undefined;
  #stdout: OutputReader | undefined;
  #stderr: OutputReader | undefined;
  #terminal: ReadStream | undefined;
  readonly #typed: TerminalInput | undefined;
  #terminalFd = -1;
  #terminalPeerFd = -1;
  #attachTimer: NodeJS.Timeout | undefined;
  readonly #onTerminal: (() => void)[] = [];

  constructor(spec: CommandSpec, kernel: Kernel, events: StdioEvents) {
    this.#spec = spec;
    this.#kernel = kernel;
    this.#events = events;
    this.#budget = new OutputBudget(spec.maxOutputBytes, () => events.onExceeded());
    if (spec.tty !== undefined) {
      this.#typed = new TerminalInput(spec.stdin, (error) => events.onInputFailed(error));
      this.#stdout = new OutputReader(this.#budget);
      return;
    }
    try {
      this.#open();
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** Descriptors for standard input, output and error; `-1` is `/dev/null`. */
  get theirs(): readonly [number, number, number] {
    return this.#theirs;
  }

  get isExceeded(): boolean {
    return this.#budget.isExceeded;
  }

  get stdin(): Writable {
    return this.#typed?.stream ?? (this.#stdin ??= this.#openInput({ kind: 'none' }, -1)).stream;
  }

  get stdout(): Readable | undefined {
    return this.#stdout?.stream;
  }

  get stderr(): Readable | undefined {
    return this.#stderr?.stream;
  }

  /** The command has its ends: while we held them, they would never have ended. */
  closeTheirs(): void {
    closeAll(this.#theirs);
    this.#theirs = [-1, -1, -1];
  }

  onStarted(): void {
    if (this.#spec.tty !== undefined) return;
    this.#attachTimer = setTimeout(() => {
      this.#stdout?.attach();
      this.#stderr?.attach();
    }, ATTACH_AFTER_MS);
  }

  openTerminal(fd: number): void {
    this.#terminalFd = fd;
    this.#terminalPeerFd = this.#openPeer(fd);
    const terminal = new ReadStream(fd);
    this.#terminal = terminal;
    this.#stdout?.connect(fd, () => terminal).attach();
    this.#typed?.open(fd);
    for (const ready of this.#onTerminal.splice(0)) ready();
  }

  resize(columns: number, rows: number): void {
    if (this.#terminalFd >= 0) this.#kernel.resizeTerminal(this.#terminalFd, columns, rows);
    else this.#onTerminal.push(() => this.resize(columns, rows));
  }

  finish(): void {
    this.#stdout?.finish();
    this.#stderr?.finish();
  }

  output(): { stdout: string | Uint8Array; stderr: string | Uint8Array; truncated: boolean } {
    const convert = (reader: OutputReader | undefined): string | Uint8Array => {
      const bytes = reader?.bytes ?? Buffer.alloc(0);
      return this.#spec.encoding === 'buffer' ? bytes : bytes.toString('utf8');
    };
    return { stdout: convert(this.#stdout), stderr: convert(this.#stderr), truncated: this.#budget.isExceeded };
  }

  dispose(): void {
    clearTimeout(this.#attachTimer);
    this.closeTheirs();
    this.#stdin?.dispose();
    this.#typed?.dispose();
    this.#stdout?.dispose();
    this.#stderr?.dispose();
    this.#terminal?.destroy();
    closeAll([this.#terminalPeerFd]);
    this.#terminalFd = this.#terminalPeerFd = -1;
  }

  /** Without it the last of the output may be missing; a program that has spoilt its terminal gets no more than that. */
  #openPeer(terminal: number): number {
    try {
      return this.#kernel.openTerminalPeer(terminal);
    } catch {
      return -1;
    }
  }

  #open(): void {
    if (this.#spec.stdin.kind !== 'none') {
      const [theirs, ours] = this.#kernel.pipe('write');
      this.#theirs[0] = theirs;
      this.#stdin = this.#openInput(this.#spec.stdin, ours);
    }
    if (!this.#spec.capture) return;
    this.#stdout = this.#openOutput(1);
    this.#stderr = this.#openOutput(2);
  }

  #openInput(spec: StdinSpec, fd: number): StdinWriter {
    return new StdinWriter(spec, fd, (error) => this.#events.onInputFailed(error));
  }

  #openOutput(index: 1 | 2): OutputReader {
    const [ours, theirs] = this.#kernel.pipe('read');
    this.#theirs[index] = theirs;
    return new OutputReader(this.#budget).connect(ours);
  }
}
