import type { Digest } from '../shared/digest.js';
import type { Platform } from './platform.js';

/** How an image wants to be run, for one that has no configuration yet. What is left out is not said. */
export interface ConfigChanges {
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** `user`, `uid`, `user:group` or `uid:gid`. */
  readonly user?: string;
  readonly workingDir?: string;
  /** As `'8080/tcp'`. */
  readonly exposedPorts?: readonly string[];
  readonly volumes?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  /** As `'SIGTERM'`. */
  readonly stopSignal?: string;
}

const asSet = (keys: readonly string[] | undefined) =>
  keys === undefined ? undefined : Object.fromEntries(keys.map((key) => [key, {}]));

/** The configuration of an image of one layer, as OCI writes it. */
export function newConfigBytes(parts: {
  readonly platform: Platform;
  readonly diffId: Digest;
  readonly changes: ConfigChanges;
  readonly author: string | undefined;
  readonly comment: string | undefined;
  readonly created: string;
}): Buffer {
  const { platform, diffId, changes, author, comment, created } = parts;
  const { entrypoint, cmd, env, user, workingDir, exposedPorts, volumes, labels, stopSignal } = changes;
  // Fields that are undefined are not written.
  const document = {
    created,
    author,
    architecture: platform.architecture,
    variant: platform.variant,
    os: platform.os,
    config: {
      User: user,
      ExposedPorts: asSet(exposedPorts),
      Env: env === undefined ? undefined : Object.entries(env).map(([name, value]) => `${name}=${value}`),
      Entrypoint: entrypoint,
      Cmd: cmd,
      Volumes: asSet(volumes),
      WorkingDir: workingDir,
      Labels: labels,
      StopSignal: stopSignal,
    },
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created, author, created_by: 'cloister import', comment }],
  };
  return Buffer.from(JSON.stringify(document));
}
