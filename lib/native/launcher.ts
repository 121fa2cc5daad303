import { spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CloisterError } from '../errors.js';
import { deferred } from '../shared/deferred.js';
import { nativeParts, type Addon } from './addon.js';
import { callAddon } from './kernel.js';
import { StatusParser, type StatusRecord } from './status.js';
import { closeDescriptor } from './descriptor.js';

/** Mirror of `MessageType` in `addon/kernel/message.h`. */
export const MESSAGE = { launch: 1, kill: 2, exec: 3, signal: 4, adopt: 5 } as const;

/** Room for a few thousand records, so that a busy event loop does not hold up the inits. */
const STATUS_PIPE_BYTES = 1024 * 1024;

/** How long records are dealt with before others get their turn. */
const DISPATCH_MS = 2;

/** Sends, waiting while the receiver does not keep up. */
export async function sendMessage(
  addon: Addon,
  socket: number,
  type: number,
  body: Uint8Array,
  fds: readonly number[],
): Promise<void> {
  while (!callAddon(() => addon.send(socket, type, body, fds))) await sleep(1);
}

/**
 * The resident process that forks sandboxes, one per Node process.
 *
 * ```text
 *  Node ── control (SOCK_SEQPACKET: plans, descriptors) ──► launcher ── clone3 ──► inits
 *   ▲                                                          │                    │
 *   └───────────── status (one pipe, records of ≤ 512 bytes) ◄─┴────────────────────┘
 * ```
 */
export class LauncherProcess {
  readonly #addon: Addon;
  readonly #control: number;
  readonly #status: Socket;
  readonly #listeners = new Map<number, (record: StatusRecord) => void>();
  readonly #onEnd: () => void;
  readonly #over = deferred<void>();
  readonly #records: StatusRecord[] = [];
  #isDispatching = false;
  #isControlOpen = true;
  #isClosing = false;
  #ended = false;

  private constructor(addon: Addon, control: number, statusFd: number, onEnd: () => void) {
    this.#addon = addon;
    this.#control = control;
    this.#onEnd = onEnd;
    this.#status = new Socket({ fd: statusFd, readable: true, writable: false });
    const parser = new StatusParser();
    this.#status.on('data', (chunk: Buffer) => {
      try {
        this.#records.push(...parser.push(chunk));
        if (!this.#isDispatching) this.#dispatch();
      } catch (error) {
        this.#status.destroy(error as Error);
      }
    });
    this.#status.on('close', () => this.#end());
    this.#status.on('error', () => this.#end());
    this.#status.unref();
  }

  /** Runs a copy of the program that nobody can write to, so that nothing from inside can reach it (CVE-2019-5736). */
  static start(onEnd: () => void): LauncherProcess {
    const { addon, launcher } = nativeParts();
    const [ours, theirs] = callAddon(() => addon.socketPair());
    const [statusRead, statusWrite] = callAddon(() => addon.pipe('read', STATUS_PIPE_BYTES));
    const program = callAddon(() => addon.sealedCopy(launcher));
    try {
      const child = spawn(`/proc/self/fd/${program}`, [], {
        argv0: 'cloister-launcher',
        cwd: '/',
        env: {},
        stdio: ['ignore', 'ignore', 'inherit', theirs, statusWrite],
      });
      child.on('error', () => undefined);
      child.unref();
    } finally {
      for (const fd of [program, theirs, statusWrite]) closeDescriptor(fd);
    }
    return new LauncherProcess(addon, ours, statusRead, onEnd);
  }

  get isAlive(): boolean {
    return !this.#ended;
  }

  /** Whether Node's event loop stays alive for it. */
  setRef(isHeld: boolean): void {
    if (isHeld) this.#status.ref();
    else this.#status.unref();
  }

  listen(sandbox: number, listener: (record: StatusRecord) => void): void {
    this.#listeners.set(sandbox, listener);
  }

  forget(sandbox: number): void {
    this.#listeners.delete(sandbox);
  }

  async send(type: number, body: Uint8Array, fds: readonly number[]): Promise<void> {
    if (!this.#isControlOpen) throw new CloisterError('ERR_LAUNCHER', 'the launcher has ended');
    await sendMessage(this.#addon, this.#control, type, body, fds);
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    this.#isClosing = true;
    this.setRef(true);
    this.#closeControl();
    await this.#over.promise;
  }

  /** In their order. An end is a millisecond of work: of many at once the rest waits for the next turn of the event loop. */
  #dispatch(): void {
    const until = performance.now() + DISPATCH_MS;
    for (let record; (record = this.#records.shift()) !== undefined;) {
      this.#listeners.get(record.sandbox)?.(record);
      this.#isDispatching = this.#records.length > 0 && performance.now() > until;
      if (this.#isDispatching) return void setImmediate(() => this.#dispatch());
    }
  }

  #closeControl(): void {
    if (!this.#isControlOpen) return;
    this.#isControlOpen = false;
    closeDescriptor(this.#control);
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const record of this.#records.splice(0)) this.#listeners.get(record.sandbox)?.(record);
    this.#closeControl();
    this.#over.resolve();
    this.#onEnd();
    // Inits die with their launcher (PR_SET_PDEATHSIG): whoever still waits hears so.
    const type = this.#isClosing ? 'gone' : 'lost';
    for (const [sandbox, listener] of [...this.#listeners]) listener({ ...NOTHING, type, sandbox, value: 9 });
  }
}

const NOTHING = {
  ...{ command: 0, maxRssBytes: 0, startedNs: 0n, endedNs: 0n, userUs: 0, systemUs: 0, rest: 0 },
  refusal: undefined,
};
