import type { Size } from '../shared/quantity.js';

/** A mount of a sandbox; made by `Volume.bind` and `Volume.tmpfs`. */
export type VolumeMount =
  | { readonly type: 'bind'; readonly source: string; readonly target: string; readonly readonly: boolean }
  | { readonly type: 'tmpfs'; readonly target: string; readonly size: Size; readonly mode: number };

/** Storage that a sandbox is given besides its own root. */
export const Volume = {
  /**
   * A file or directory of the host. Owners are mapped: root inside may do with the host root's files what the mount allows.
   * If it is writable, that includes files with the set-user-id bit, which make whoever runs them on the host its root: give a
   * directory that only trusted users can enter, or one on a file system that is mounted `nosuid`.
   *
   * @param source - absolute path on the host, without symbolic links.
   * @param target - absolute path inside; made if it is missing. Both are checked where the sandbox is made.
   * @example
   * ```ts
   * await Sandbox.run(['ls', '/src'], { mounts: [Volume.bind('/home/me/project', '/src', { readonly: true })] });
   * ```
   */
  bind(source: string, target: string, options: { readonly?: boolean } = {}): VolumeMount {
    return { type: 'bind', source, target, readonly: options.readonly ?? false };
  },

  /** A file system in memory, gone with the sandbox; what is in it counts as memory. Default: 64 MiB, mode 0o1777. */
  tmpfs(target: string, options: { size?: Size; mode?: number } = {}): VolumeMount {
    return { type: 'tmpfs', target, size: options.size ?? '64MiB', mode: options.mode ?? 0o1777 };
  },
};
