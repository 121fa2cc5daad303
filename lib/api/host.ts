import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { release } from 'node:os';
import { EventEmitter } from 'eventemitter3';
import PQueue from 'p-queue';
import { CloisterError, invalidOption } from '../errors.js';
import { DisabledCgroupManager } from '../cgroup/disabled.js';
import { openCgroupManager } from '../cgroup/open.js';
import type { CgroupManager } from '../cgroup/manager.js';
import { checkRegistryOptions, type RegistryOptions } from '../image/registry/options.js';
import { LinuxKernel } from '../native/linux-kernel.js';
import { lockRange } from '../native/lock-range.js';
import { chooseStorage, STORAGE_DRIVERS, type StorageDriver } from '../rootfs/choose.js';
import type { Snapshotter } from '../shared/snapshotter.js';
import { FlatRoots } from '../rootfs/flat-root.js';
import { RootfsService } from '../rootfs/rootfs.js';
import type { Services } from '../runtime/services.js';
import type { SandboxSpec } from '../runtime/spec.js';
import { maskedPathsOfHost } from '../runtime/plan-launch.js';
import { IdRanges } from '../security/id-ranges.js';
import { defaultRlimits } from '../security/rlimits.js';
import { seccompProgram } from '../security/seccomp/cache.js';
import { Turns } from '../shared/turns.js';
import { AsyncQueue } from './async-queue.js';
import { checkBoolean, checkChoice, checkInteger, checkObject } from './check.js';
import { checkHostDirectory } from './host-directory.js';
import { ImageSource } from './image-source.js';
import { diagnose, type DoctorReport } from './doctor.js';
import type { HostEvent, ImageEventName, ImageEvents } from './events.js';
import type { Sandbox } from './sandbox.js';
import { SandboxRegistry } from './sandbox-registry.js';

/** Where a host keeps things and how it works; the defaults fit one application per machine, and several. */
export interface HostOptions {
  /** What is kept: prepared roots. Default: `/var/lib/cloister`. */
  root?: string;
  /** What lives as long as this boot: locks. Default: `/run/cloister`. */
  stateDir?: string;
  /** How layers of images are kept. Default: the first of `'overlay'`, `'erofs'` and `'copy'` that works here; `doctor()` tells which. */
  storage?: StorageDriver | Snapshotter;
  /** How registries of images are spoken to. */
  registries?: RegistryOptions;
  /** Starts that run at the same time; more of them wait their turn. Default: 16. */
  concurrency?: number;
  /**
   * Goes on without control groups where this host has none that can be used: no limits, no accounting. Asking for a limit
   * by name is an error then. Default: false, which refuses to start sandboxes on such a host.
   */
  allowNoCgroups?: boolean;
}

const NO_FILTER = { program: new Uint8Array(0), flags: 0 };

/**
 * One place on this machine to run sandboxes: its directories, its launcher, its control groups.
 *
 * Most programs never make one: `Host.default` serves `Sandbox.run` and its like. Several, in several processes, too, may
 * share their directories.
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
  readonly #storage: Services['storage'];
  readonly #concurrency: number;
  readonly #allowNoCgroups: boolean;
  readonly #bus = new EventEmitter<{ event: [HostEvent]; close: [] }>();
  #services: Services | undefined;
  #ids: IdRanges | undefined;
  #isClosed = false;

  constructor(options: HostOptions = {}) {
    const fields = checkObject('', options, [
      'root',
      'stateDir',
      'storage',
      'registries',
      'concurrency',
      'allowNoCgroups',
    ]);
    this.root = checkHostDirectory('root', fields['root'], '/var/lib/cloister');
    this.stateDir = checkHostDirectory('stateDir', fields['stateDir'], '/run/cloister');
    const driver = checkStorage(fields['storage']);
    this.#storage = once(() => chooseStorage(this.root, driver));
    const flatRoots = new FlatRoots(join(this.root, 'flat'));
    this.images = new ImageSource({
      directory: this.root,
      registries: checkRegistries(fields['registries']),
      lockRange,
      snapshotter: async () => (await this.#storage()).snapshotter,
      flatten: (archives, signal) => flatRoots.archive(archives, signal),
      onPulled: ({ record }) =>
        this.tell('image-pulled', { reference: record.reference, digest: record.manifest.digest }),
    });
    this.#concurrency = checkInteger('concurrency', fields['concurrency'], [1, 1024], 16);
    this.#allowNoCgroups = checkBoolean('allowNoCgroups', fields['allowNoCgroups'], false);
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
    return (this.#services ??= this.#open());
  }

  async #release(): Promise<void> {
    await Promise.all([...this.sandboxes.all()].map((sandbox) => sandbox.remove()));
    const services = this.#services;
    await services?.starts.onIdle();
    await this.images.close();
    if (services === undefined) return;
    await services.kernel.close();
    services.cgroups.dispose();
    this.#ids?.dispose();
  }

  #open(): Services {
    const kernel = new LinuxKernel();
    try {
      return this.#openWith(kernel);
    } catch (error) {
      void kernel.close();
      throw error;
    }
  }

  #openWith(kernel: LinuxKernel): Services {
    const cgroups = this.#openCgroups(kernel);
    kernel.adoptCgroups(cgroups.ownerDirectories());
    cgroups.sweep().catch(() => undefined);
    this.#ids = new IdRanges(join(this.stateDir, 'ids'), (fd) => kernel.tryLock(fd));
    const version = kernelVersion(release());
    return {
      kernel,
      cgroups,
      rootfs: new RootfsService({
        directory: this.root,
        cloneMount: (path, recursive) => kernel.cloneMount(path, recursive),
        snapshotter: async () => (await this.#storage()).snapshotter,
      }),
      storage: this.#storage,
      openImage: (request, signal) => this.images.open(request, signal),
      ids: this.#ids,
      starts: new PQueue({ concurrency: this.#concurrency }),
      turns: new Turns(),
      maskedPaths: maskedPathsOfHost(),
      rlimits: defaultRlimits({
        fileMax: readFileSync('/proc/sys/fs/file-max', 'latin1'),
        ownLimits: readFileSync('/proc/self/limits', 'latin1'),
      }),
      seccomp: (spec) => planFilter(spec, version),
    };
  }

  #openCgroups(kernel: LinuxKernel): CgroupManager {
    try {
      return openCgroupManager({
        stateDirectory: this.root,
        adopt: (ownerDirectory) => kernel.adoptCgroups([ownerDirectory]),
        attachDeviceFilter: (fd, program) => kernel.attachDeviceFilter(fd, program),
      });
    } catch (error) {
      if (this.#allowNoCgroups && CloisterError.is(error)) return new DisabledCgroupManager(error.message);
      throw error;
    }
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

/** Methods that a driver of the user's own must have. */
const DRIVER_METHODS = ['probe', 'has', 'add', 'prepare', 'list', 'remove'] as const;

function checkStorage(value: unknown): StorageDriver | Snapshotter | undefined {
  if (typeof value !== 'object' || value === null) return checkChoice('storage', value, STORAGE_DRIVERS, undefined);
  const missing = DRIVER_METHODS.filter((name) => typeof (value as Record<string, unknown>)[name] !== 'function');
  if (missing.length === 0) return value as Snapshotter;
  throw invalidOption('storage', `a storage driver, which has the methods ${DRIVER_METHODS.join(', ')}`, value);
}

function checkRegistries(value: unknown): RegistryOptions {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null) throw invalidOption('registries', 'an object', value);
  checkRegistryOptions(value);
  return value;
}

function kernelVersion(text: string): [number, number] {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(text) ?? [];
  return [Number(major ?? 0), Number(minor ?? 0)];
}

function planFilter(
  spec: SandboxSpec,
  version: [number, number],
): { readonly program: Uint8Array; readonly flags: number } {
  if (spec.seccomp === 'unconfined') return NO_FILTER;
  const architecture = process.arch === 'arm64' ? 'arm64' : 'x64';
  return seccompProgram(spec.seccomp, { capabilities: spec.capabilities, kernelVersion: version, architecture });
}
