import { join } from 'node:path';
import { EventEmitter } from 'eventemitter3';
import { CloisterError } from '../errors.js';
import { lockRange } from '../native/lock-range.js';
import { chooseStorage } from '../rootfs/choose.js';
import { FlatRoots } from '../rootfs/flat-root.js';
import type { Services } from '../runtime/services.js';
import { AsyncQueue } from './async-queue.js';
import { diagnose, type DoctorReport } from './doctor.js';
import type { HostEvent, ImageEventName, ImageEvents } from './events.js';
import { checkHostOptions, type HostOptions, type HostSpec } from './host-options.js';
import { ImageSource } from './image-source.js';
import { closeServices, openServices } from './open-services.js';
import type { Sandbox } from './sandbox.js';
import { SandboxRegistry } from './sandbox-registry.js';

/**
 * One place on this machine to run sandboxes: its directories, its launcher, its control groups.
 *
 * Most programs never make one: `Host.default` serves `Sandbox.run` and its like. Several, in several processes, too, may
 * share their directories.
 *
 * @example
 * ```ts
 * await using host = new Host({ root: '/srv/cloister', storage: 'erofs' });
 * const { stdout } = await Sandbox.run(['cat', '/etc/os-release'], { host, image: 'debian:12' });
 * ```
 */
export class Host implements AsyncDisposable {
  static #default: Host | undefined;

  /** As `HostOptions.root`. */
  readonly root: string;
  /** As `HostOptions.stateDir`. */
  readonly stateDir: string;
  /** @internal */
  readonly sandboxes = new SandboxRegistry<Sandbox>();
  /** @internal Its images: their operations need nothing that starting sandboxes needs. */
  readonly images: ImageSource;
  readonly #spec: HostSpec;
  readonly #storage: Services['storage'];
  readonly #bus = new EventEmitter<{ event: [HostEvent]; close: [] }>();
  #services: Services | undefined;
  #isClosed = false;

  constructor(options: HostOptions = {}) {
    const spec = checkHostOptions(options);
    this.#spec = spec;
    this.root = spec.root;
    this.stateDir = spec.stateDir;
    this.#storage = once(() => chooseStorage(spec.root, spec.storage));
    const flatRoots = new FlatRoots(join(spec.root, 'flat'));
    this.images = new ImageSource({
      directory: spec.root,
      registries: spec.registries,
      lockRange,
      storage: this.#storage,
      flatten: (archives, signal) => flatRoots.archive(archives, signal),
      onPulled: ({ record }) =>
        this.tell('image-pulled', { reference: record.reference, digest: record.manifest.digest }),
    });
  }

  /** The host that is used where none is named. */
  static get default(): Host {
    return (Host.#default ??= new Host());
  }

  /** What works on this machine, what does not, why, and what to do about it. */
  static doctor(): Promise<DoctorReport> {
    return Host.default.doctor();
  }

  /** Removes at once what killed applications left; every first start of a sandbox does so, too. Returns their labels. */
  static sweep(): Promise<readonly string[]> {
    return Host.default.sweep();
  }

  /** As the static one, for this host. */
  doctor(): Promise<DoctorReport> {
    return diagnose(() => this.services);
  }

  /** As the static one, for this host. */
  sweep(): Promise<readonly string[]> {
    return this.services.cgroups.sweep();
  }

  /**
   * Events of all its sandboxes and images from now on: what this object does, not what other processes do. Leaving the loop
   * ends the subscription, `close()` the loop. Node does not exit while a loop waits for the next event.
   *
   * @example
   * ```ts
   * for await (const event of Host.default.events()) console.log(event.type, event.sandbox ?? event.reference);
   * ```
   */
  events(): AsyncIterableIterator<HostEvent> {
    const queue = new AsyncQueue<HostEvent>(() => this.#bus.off('event', push).off('close', close));
    const push = (event: HostEvent): void => queue.push(event);
    const close = (): void => queue.close();
    if (this.#isClosed) close();
    else this.#bus.on('event', push).once('close', close);
    return queue;
  }

  /** @internal */
  emit(event: HostEvent): void {
    this.#bus.emit('event', event);
  }

  /** @internal Of an image. */
  tell<Name extends ImageEventName>(type: Name, facts: Omit<ImageEvents[Name], 'time' | 'sandbox'>): void {
    if (this.isObserved) this.emit({ type, time: Date.now(), ...facts } as never);
  }

  /** @internal True when somebody reads `events()`. */
  get isObserved(): boolean {
    return this.#bus.listenerCount('event') > 0;
  }

  /**
   * Removes every sandbox, ends every operation on images and gives back what this object holds. It cannot be used afterwards.
   * A program that just ends needs no such call: the launcher cleans up after it.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    try {
      await this.#release();
    } finally {
      this.#bus.emit('close');
    }
  }

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal Opened at the first use. @throws CloisterError when this machine cannot run sandboxes. */
  get services(): Services {
    if (this.#isClosed) throw new CloisterError('ERR_SANDBOX_STATE', 'the host was closed');
    return (this.#services ??= openServices(this.#spec, {
      storage: this.#storage,
      openImage: (request, signal) => this.images.open(request, signal),
    }));
  }

  async #release(): Promise<void> {
    await Promise.all([...this.sandboxes.all()].map((sandbox) => sandbox.remove()));
    const services = this.#services;
    await services?.starts.onIdle();
    await this.images.close();
    if (services !== undefined) await closeServices(services);
  }
}

/** Remembers what worked; a failure is tried again at the next call. */
function once<T>(open: () => Promise<T>): () => Promise<T> {
  let opened: Promise<T> | undefined;
  return () => {
    opened ??= open();
    opened.catch(() => (opened = undefined));
    return opened;
  };
}
