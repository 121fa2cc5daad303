import { closeSync, openSync } from 'node:fs';
import { posix } from 'node:path';
import { CloisterError } from '../errors.js';
import { nativeParts, type Addon } from './addon.js';
import { closeDescriptor } from './descriptor.js';
import { callAddon, type FirstCommand, type Kernel, type KernelSandbox } from './kernel.js';
import { cloneMount } from './mounts.js';
import { LauncherProcess, MESSAGE, sendMessage } from './launcher.js';
import type { CommandFds, CommandPlan, LaunchPlan } from './plan.js';
import type { StatusRecord } from './status.js';
import { encodeCommand, encodeLaunch, type Encoded } from './wire.js';
import { Writer } from './writer.js';

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** `<base>/<library>/<owner>` as a descriptor of the base and the path below it: the last two are the launcher's to remove. */
function encodeAdoption(directories: readonly string[]): Encoded {
  const out = new Writer();
  const fds = directories.map((directory) => {
    const base = posix.join(directory, '../..');
    out.string(posix.relative(base, directory));
    return openSync(base, 'r');
  });
  return { body: out.finish(), fds };
}

class LinuxSandbox implements KernelSandbox {
  readonly #addon: Addon;
  readonly #launcher: LauncherProcess;
  readonly #id: number;
  #control: number;

  constructor(addon: Addon, launcher: LauncherProcess, id: number, control: number) {
    this.#addon = addon;
    this.#launcher = launcher;
    this.#id = id;
    this.#control = control;
  }

  async exec(plan: CommandPlan, fds: CommandFds): Promise<void> {
    const encoded = encodeCommand(plan, fds);
    await this.#send(MESSAGE.exec, encoded.body, encoded.fds);
  }

  async signal(command: number, signal: number): Promise<void> {
    const body = Buffer.alloc(8);
    body.writeUInt32LE(command, 0);
    body.writeInt32LE(signal, 4);
    await this.#send(MESSAGE.signal, body, []);
  }

  async kill(): Promise<void> {
    if (this.#control >= 0 && this.#launcher.isAlive)
      await unlessGone(this.#launcher.send(MESSAGE.kill, u32(this.#id), []));
  }

  takeWritable(): number {
    return callAddon(() => this.#addon.receiveFd(this.#control));
  }

  takeTerminal(): number {
    return callAddon(() => this.#addon.receiveFd(this.#control));
  }

  close(): void {
    if (this.#control < 0) return;
    closeDescriptor(this.#control);
    this.#control = -1;
  }

  async #send(type: number, body: Uint8Array, fds: readonly number[]): Promise<void> {
    if (this.#control >= 0) await unlessGone(sendMessage(this.#addon, this.#control, type, body, fds));
  }
}

/** That the receiver has ended is no error: a record of that, which says more, is on its way. */
async function unlessGone(sending: Promise<void>): Promise<void> {
  try {
    await sending;
  } catch (error) {
    const isGone = CloisterError.is(error) && (error.errno === 'EPIPE' || error.errno === 'ECONNRESET');
    if (!isGone) throw error;
  }
}

/** The port on a real kernel; starts its launcher at the first sandbox. */
export class LinuxKernel implements Kernel {
  readonly #addon: Addon = nativeParts().addon;
  #launcher: LauncherProcess | undefined;
  readonly #adopted = new Set<string>();
  #lastId = 0;
  #holds = 0;

  async launch(
    plan: LaunchPlan,
    first: FirstCommand | undefined,
    listener: (record: StatusRecord) => void,
  ): Promise<KernelSandbox> {
    const launcher = this.#start();
    const id = ++this.#lastId;
    const [ours, theirs] = callAddon(() => this.#addon.socketPair());
    const sandbox = new LinuxSandbox(this.#addon, launcher, id, ours);
    launcher.listen(id, (record) => {
      if (record.type === 'gone' || record.type === 'lost') {
        sandbox.close();
        launcher.forget(id);
      }
      listener(record);
    });
    try {
      const encoded = encodeLaunch(id, plan, theirs, first);
      await launcher.send(MESSAGE.launch, encoded.body, encoded.fds);
    } catch (error) {
      sandbox.close();
      launcher.forget(id);
      throw error;
    } finally {
      closeDescriptor(theirs);
    }
    return sandbox;
  }

  adoptCgroups(directories: readonly string[]): void {
    const isRunning = this.#launcher !== undefined;
    for (const directory of directories) this.#adopted.add(directory);
    const launcher = this.#start();
    if (isRunning) this.#sendAdopted(launcher, directories);
  }

  cloneMount(path: string, recursive: boolean): number {
    return cloneMount(path, recursive);
  }

  pipe(ours: 'read' | 'write'): [number, number] {
    return callAddon(() => this.#addon.pipe(ours, 0));
  }

  tryLock(fd: number): boolean {
    return callAddon(() => this.#addon.tryLock(fd));
  }

  openTerminalPeer(master: number): number {
    return callAddon(() => this.#addon.openTerminalPeer(master));
  }

  resizeTerminal(fd: number, columns: number, rows: number): void {
    callAddon(() => this.#addon.resizeTerminal(fd, columns, rows));
  }

  attachDeviceFilter(cgroupDirectory: number, program: Uint8Array): void {
    callAddon(() => this.#addon.attachDeviceFilter(cgroupDirectory, program));
  }

  hold(): void {
    if (this.#holds === 0) this.#start().setRef(true);
    this.#holds++;
  }

  release(): void {
    if (--this.#holds === 0) this.#launcher?.setRef(false);
  }

  async close(): Promise<void> {
    await this.#launcher?.close();
  }

  #start(): LauncherProcess {
    if (this.#launcher !== undefined) return this.#launcher;
    const launcher = LauncherProcess.start(() => (this.#launcher = undefined));
    this.#launcher = launcher;
    // A launcher that died had been held for those who still wait.
    if (this.#holds > 0) launcher.setRef(true);
    if (this.#adopted.size > 0) this.#sendAdopted(launcher, [...this.#adopted]);
    return launcher;
  }

  #sendAdopted(launcher: LauncherProcess, directories: readonly string[]): void {
    const { body, fds } = encodeAdoption(directories);
    // Sent in this turn, unless the launcher lags by a whole buffer. That it has died is told by whatever needs it next.
    launcher
      .send(MESSAGE.adopt, body, fds)
      .catch(() => undefined)
      .finally(() => fds.forEach((fd) => closeSync(fd)));
  }
}
