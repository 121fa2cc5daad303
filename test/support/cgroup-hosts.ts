import type { AttachDeviceFilter } from '../../lib/cgroup/context.js';
import type { CgroupManager } from '../../lib/cgroup/manager.js';
import { openCgroupManager } from '../../lib/cgroup/open.js';
import { FakeCgroupfs, type FakeHierarchy } from './fake-cgroupfs.js';

const ALL = ['cpuset', 'memory', 'pids', 'cpuacct', 'cpu', 'blkio', 'devices', 'freezer'];

/** The three kinds of hosts. */
export const HOSTS: Readonly<Record<'v1' | 'v2' | 'hybrid', readonly FakeHierarchy[]>> = {
  v1: ALL.map((name) => ({ version: 1, mount: `/cg/${name}`, controllers: [name] })),
  v2: [{ version: 2, mount: '/cg', controllers: ['cpuset', 'cpu', 'io', 'memory', 'pids'] }],
  hybrid: [
    ...ALL.map((name): FakeHierarchy => ({ version: 1, mount: `/cg/${name}`, controllers: [name] })),
    { version: 2, mount: '/cg/unified', controllers: [] },
  ],
};

export const OWNER = '0123abcd-4026531836-4242-100-89abcdef';

export interface OpenedHost {
  readonly fake: FakeCgroupfs;
  readonly manager: CgroupManager;
}

/** A manager on a host that imitates one of that kind. */
export function openHost(
  hierarchies: readonly FakeHierarchy[],
  prepare: (fake: FakeCgroupfs) => void = () => undefined,
  attachDeviceFilter?: AttachDeviceFilter,
): OpenedHost {
  const fake = new FakeCgroupfs(hierarchies);
  prepare(fake);
  const filter = attachDeviceFilter === undefined ? {} : { attachDeviceFilter };
  return { fake, manager: openCgroupManager({ host: fake.host(), owner: OWNER, ...filter }) };
}
