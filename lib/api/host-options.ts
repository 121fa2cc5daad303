import { invalidOption } from '../errors.js';
import { checkRegistryOptions, type RegistryOptions } from '../image/registry/options.js';
import { STORAGE_DRIVERS, type StorageDriver } from '../rootfs/choose.js';
import type { Snapshotter } from '../shared/snapshotter.js';
import { checkBoolean, checkChoice, checkInteger, checkObject } from './check.js';
import { checkHostDirectory } from './host-directory.js';

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

/** The same, checked and complete. */
export interface HostSpec {
  readonly root: string;
  readonly stateDir: string;
  /** Undefined: the first that works here. */
  readonly storage: StorageDriver | Snapshotter | undefined;
  readonly registries: RegistryOptions;
  readonly concurrency: number;
  readonly allowNoCgroups: boolean;
}

const KEYS = ['root', 'stateDir', 'storage', 'registries', 'concurrency', 'allowNoCgroups'] as const;

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
  checkRegistryOptions('registries.', value);
  return value as RegistryOptions;
}

/** @throws CloisterError `ERR_INVALID_OPTION` */
export function checkHostOptions(options: unknown): HostSpec {
  const fields = checkObject('', options, KEYS);
  return {
    root: checkHostDirectory('root', fields['root'], '/var/lib/cloister'),
    stateDir: checkHostDirectory('stateDir', fields['stateDir'], '/run/cloister'),
    storage: checkStorage(fields['storage']),
    registries: checkRegistries(fields['registries']),
    concurrency: checkInteger('concurrency', fields['concurrency'], [1, 1024], 16),
    allowNoCgroups: checkBoolean('allowNoCgroups', fields['allowNoCgroups'], false),
  };
}
