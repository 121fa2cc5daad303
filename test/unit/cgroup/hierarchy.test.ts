import { describe, expect, test } from 'vitest';
import { kernelName, parseHierarchies, type MountedHierarchy } from '../../../lib/cgroup/hierarchy.js';

const line = (mount: string, kind: string, root = '/'): string =>
  `31 23 0:27 ${root} ${mount} rw,nosuid,nodev,noexec,relatime shared:9 - ${kind}`;
const v1 = (mount: string, controllers: string, root = '/'): string =>
  line(mount, `cgroup cgroup rw,${controllers}`, root);
const v2 = (mount: string, root = '/'): string => line(mount, 'cgroup2 cgroup2 rw,nsdelegate', root);
const OTHERS = [
  '23 28 0:21 / /sys rw,nosuid - sysfs sysfs rw',
  '28 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw',
  '99 28 0:50 / /mnt rw - tmpfs cgroup rw',
];
const parse = (mounts: string[], groups: string[]): MountedHierarchy[] =>
  parseHierarchies([...OTHERS, ...mounts, ''].join('\n'), `${groups.join('\n')}\n`);

describe('hosts', () => {
  test('v2 alone', () => {
    expect(parse([v2('/sys/fs/cgroup')], ['0::/user.slice/a.scope'])).toEqual([
      { version: 2, mountPoint: '/sys/fs/cgroup', controllers: [], ownGroup: '/user.slice/a.scope' },
    ]);
  });

  test('v1', () => {
    const mounts = [
      v1('/sys/fs/cgroup/memory', 'memory'),
      v1('/sys/fs/cgroup/cpu,cpuacct', 'cpu,cpuacct'),
      v1('/sys/fs/cgroup/blkio', 'blkio'),
      v1('/sys/fs/cgroup/systemd', 'xattr,name=systemd'),
      v1('/sys/fs/cgroup/net_cls', 'net_cls,net_prio'),
    ];
    const groups = ['12:memory:/a', '4:cpu,cpuacct:/b', '3:blkio:/', '1:name=systemd:/s', '2:net_cls,net_prio:/n'];
    expect(parse(mounts, groups)).toEqual([
      { version: 1, mountPoint: '/sys/fs/cgroup/memory', controllers: ['memory'], ownGroup: '/a' },
      { version: 1, mountPoint: '/sys/fs/cgroup/cpu,cpuacct', controllers: ['cpu', 'cpuacct'], ownGroup: '/b' },
      { version: 1, mountPoint: '/sys/fs/cgroup/blkio', controllers: ['io'], ownGroup: '/' },
    ]);
  });

  test('a hybrid', () => {
    const mounts = [v1('/sys/fs/cgroup/pids', 'pids'), v2('/sys/fs/cgroup/unified')];
    expect(parse(mounts, ['8:pids:/p', '0::/u'])).toEqual([
      { version: 1, mountPoint: '/sys/fs/cgroup/pids', controllers: ['pids'], ownGroup: '/p' },
      { version: 2, mountPoint: '/sys/fs/cgroup/unified', controllers: [], ownGroup: '/u' },
    ]);
  });

  test('none', () => {
    expect(parse([], ['0::/'])).toEqual([]);
    expect(parseHierarchies('', '')).toEqual([]);
  });
});

describe('where the application itself is', () => {
  const own = (root: string, group: string): string | undefined =>
    parse([v2('/cg', root)], [`0::${group}`])[0]?.ownGroup;

  test.each<[string, string, string | undefined]>([
    ['/', '/', '/'],
    ['/', '/a/b', '/a/b'],
    // A container with a mount of its own group and the host's view of it.
    ['/docker/abc', '/docker/abc', '/'],
    ['/docker/abc', '/docker/abc/x', '/x'],
    ['/docker/abc', '/docker/abcd', undefined],
    ['/docker/abc', '/docker', undefined],
    ['/docker/abc', '/', undefined],
    ['/', '/..hidden', '/..hidden'],
    ['/', '/a:b', '/a:b'],
  ])('mounted is %s, the group is %s: %s', (root, group, expected) => {
    expect(own(root, group)).toBe(expected);
  });

  test('not told', () => {
    expect(parse([v1('/cg/pids', 'pids')], ['4:memory:/a'])[0]?.ownGroup).toBeUndefined();
  });
});

describe('mounts', () => {
  test('of the same tree twice: the one that shows more', () => {
    const mounts = [v2('/container', '/docker/abc'), v2('/sys/fs/cgroup'), v2('/again')];
    expect(parse(mounts, ['0::/'])).toMatchObject([{ mountPoint: '/sys/fs/cgroup' }]);
    const both = [v1('/one', 'cpu,cpuacct', '/x'), v1('/two', 'cpuacct,cpu')];
    expect(parse(both, [])).toMatchObject([{ mountPoint: '/two' }]);
  });

  test('with odd names are written with octal numbers', () => {
    expect(parse([v2('/mnt/with\\040space\\011tab\\134')], [])[0]?.mountPoint).toBe('/mnt/with space\ttab\\');
  });

  test('that cannot be read are passed over', () => {
    expect(parse(['nonsense', '1 2 3', '1 2 3 / /x - ', '- cgroup2'], [])).toEqual([]);
  });
});

test('the kernel’s names', () => {
  expect([kernelName('io', 1), kernelName('io', 2), kernelName('pids', 1)]).toEqual(['blkio', 'io', 'pids']);
});
