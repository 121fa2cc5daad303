import type { Descriptor } from '../image/descriptor.js';
import type { Digest } from '../shared/digest.js';
import type { HealthCheck } from './health.js';

/**
 * What an image says about the programs that run in it.
 * @see https://github.com/opencontainers/image-spec/blob/main/config.md#properties
 */
export interface ImageDefaults {
  readonly env: Readonly<Record<string, string>>;
  /** `''`: none given. */
  readonly cwd: string;
  /** `'uid'`, `'uid:gid'`, `'name'` or `'name:group'`; `''`: none given. */
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** Directories that exist in every sandbox of the image. */
  readonly volumes: readonly string[];
  /** What `stop()` sends: a name such as `'SIGQUIT'`, or a number. */
  readonly stopSignal: string | undefined;
  readonly health: HealthCheck | undefined;
}

/** Of an image that says nothing. */
export const NO_DEFAULTS: ImageDefaults = {
  env: {},
  cwd: '',
  user: '',
  entrypoint: [],
  cmd: [],
  volumes: [],
  stopSignal: undefined,
  health: undefined,
};

/** An image that is kept from being removed as long as it is open. */
export interface OpenImage extends Disposable {
  /** As it was asked for. */
  readonly reference: string;
  readonly digest: Digest;
  /** diffIDs, bottom first, each known to the storage driver. */
  readonly layers: readonly Digest[];
  readonly defaults: ImageDefaults;
}

export const PULL_POLICIES = ['missing', 'always', 'never'] as const;
/** Whether an image is fetched from its registry when a sandbox is made of it. */
export type PullPolicy = (typeof PULL_POLICIES)[number];

/** Which image, and where it may come from. */
export interface ImageRequest {
  /** In full. */
  readonly reference: string;
  readonly pull: PullPolicy;
  /** This one, whatever the reference stands for by now; it is not fetched. */
  readonly manifest?: Descriptor;
}
