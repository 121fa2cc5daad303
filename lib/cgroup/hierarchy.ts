import { posix } from 'node:path';

/** Controllers by their v2 names; `cpuacct`, `devices` and `freezer` exist on v1 only. v1's `blkio` is `io` here. */
export type ControllerName =
  'cpu' | 'cpuacct' | 'cpuset' | 'devices' | 'freezer' | 'hugetlb' | 'io' | 'memory' | 'pids';

const V1_NAMES: Readonly<Record<string, ControllerName>> = {
  blkio: 'io',
  cpu: 'cpu',
  cpuacct: 'cpuacct',
  cpuset: 'cpuset',
  devices: 'devices',
  freezer: 'freezer',
  hugetlb: 'hugetlb',
  memory: 'memory',
  pids: 'pids',
};

/** How the kernel of a v1 host calls a controller. */
export function kernelName(controller: ControllerName, version: 1 | 2): string {
  return controller === 'io' && version === 1 ? 'blkio' : controller;
}

/** One mounted tree of control groups. On v1 there are several, each with one controller or a few that are mounted together. */
export interface MountedHierarchy {
  readonly version: 1 | 2;
  readonly mountPoint: string;
  /** v1: what was mounted. v2: empty here, the tree itself says (`cgroup.controllers`). */
  readonly controllers: readonly ControllerName[];
  /** The calling process's own group, as a path below the mount point; undefined when it is outside of this mount. */
  readonly ownGroup: string | undefined;
}

/** mountinfo escapes space, tab, newline and backslash as octal (proc_pid_mountinfo(5)). */
function unescape(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}

interface CgroupMount {
  readonly version: 1 | 2;
  readonly root: string;
  readonly mountPoint: string;
  readonly controllers: readonly ControllerName[];
}

function parseMount(line: string): CgroupMount | undefined {
  const [before, after] = line.split(' - ');
  const [, , , root, mountPoint] = before?.split(' ') ?? [];
  const [type, , superOptions] = after?.split(' ') ?? [];
  if (root === undefined || mountPoint === undefined || (type !== 'cgroup' && type !== 'cgroup2')) return undefined;
  const controllers = (superOptions ?? '').split(',').flatMap((option) => V1_NAMES[option] ?? []);
  // A v1 hierarchy without controllers is only a name, like systemd's.
  if (type === 'cgroup' && controllers.length === 0) return undefined;
  const paths = { root: unescape(root), mountPoint: unescape(mountPoint) };
  return type === 'cgroup2' ? { version: 2, ...paths, controllers: [] } : { version: 1, ...paths, controllers };
}

/** /proc/self/cgroup: `4:memory:/a/b` for v1, `0::/a/b` for v2 (cgroups(7)). The path itself may hold colons. */
function ownPathIn(mount: CgroupMount, selfCgroup: string): string | undefined {
  for (const line of selfCgroup.split('\n')) {
    const [, names, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (names === undefined || path === undefined) continue;
    const controllers = names.split(',').map((name) => V1_NAMES[name]);
    const isSame =
      mount.version === 2
        ? names === ''
        : controllers.some((name) => name !== undefined && mount.controllers.includes(name));
    if (!isSame) continue;
    const below = posix.relative(mount.root, path);
    return below === '..' || below.startsWith('../') ? undefined : `/${below}`;
  }
  return undefined;
}

/**
 * The trees of control groups that this process can reach.
 * @param mountinfo the text of /proc/self/mountinfo
 * @param selfCgroup the text of /proc/self/cgroup
 */
export function parseHierarchies(mountinfo: string, selfCgroup: string): MountedHierarchy[] {
  const found = new Map<string, CgroupMount>();
  for (const line of mountinfo.split('\n')) {
    const mount = parseMount(line);
    if (mount === undefined) continue;
    const key = mount.version === 2 ? 'v2' : [...mount.controllers].sort().join();
    const seen = found.get(key);
    // The same tree can be mounted twice; the mount that shows more of it is the more useful one.
    if (seen === undefined || mount.root.length < seen.root.length) found.set(key, mount);
  }
  return [...found.values()].map((mount) => ({
    version: mount.version,
    mountPoint: mount.mountPoint,
    controllers: mount.controllers,
    ownGroup: ownPathIn(mount, selfCgroup),
  }));
}
