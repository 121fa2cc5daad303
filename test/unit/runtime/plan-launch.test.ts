import { describe, expect, test } from 'vitest';
import { checkSandbox } from '../../../lib/api/sandbox-spec.js';
import { Volume, type SandboxOptions } from '../../../lib/index.js';
import { CLONE_NEW, MOUNT_ATTR, type LaunchPlan, type Step } from '../../../lib/native/plan.js';
import { planLaunch, planNamespaces, type LaunchParts } from '../../../lib/runtime/plan-launch.js';
import { MASKED_FROM_HOST_ROOT, MASKED_PATHS, READONLY_PATHS } from '../../../lib/security/kernel-paths.js';

const PARTS: LaunchParts = {
  rootfs: {
    sources: [
      { kind: 'tmpfs', sizeBytes: 1, inodes: 1, mode: 0o755, attributes: 0n },
      { kind: 'host', fd: 10, idmap: 'yes', recursive: false, attributes: 0n },
      { kind: 'tmpfs', sizeBytes: 2, inodes: 2, mode: 0o755, attributes: 4n },
    ],
    root: 2,
    steps: [{ kind: 'attach', path: 'usr', source: 2, strict: true }],
    changes: { source: 0 },
  },
  wantsChanges: false,
  directories: [],
  uidMap: [{ inside: 0, outside: 100_000, count: 65_536 }],
  gidMap: [{ inside: 0, outside: 200_000, count: 65_536 }],
  nextRoot: 165_536,
  binds: [],
  seccomp: { program: new Uint8Array([1, 2]), flags: 4 },
  maskedPaths: MASKED_PATHS,
  cgroup: { directory: undefined, tasks: [] },
};

const plan = (options: SandboxOptions = {}, parts: Partial<LaunchParts> = {}): LaunchPlan =>
  planLaunch(checkSandbox(options), { ...PARTS, ...parts });

const names = (flags: bigint): string[] =>
  Object.entries(CLONE_NEW)
    .filter(([, flag]) => (flags & flag) !== 0n)
    .map(([name]) => name)
    .sort();

/** `readonly,nosuid` for the flags of a mount. */
const attributesOf = (flags: bigint): string =>
  Object.entries(MOUNT_ATTR)
    .filter(([, flag]) => (flags & flag) !== 0n)
    .map(([name]) => name)
    .join(',');

const paths = (steps: readonly Step[], kind: Step['kind']): string[] =>
  steps.filter((step) => step.kind === kind).map(({ path }) => path);

describe('namespaces', () => {
  const all = ['cgroup', 'ipc', 'mount', 'network', 'pid', 'time', 'user', 'uts'];
  const map = [{ inside: 0, outside: 1, count: 1 }];

  test.each<[SandboxOptions, string[]]>([
    [{}, all],
    [{ network: 'host' }, all.filter((name) => name !== 'network')],
    [{ security: { userNamespace: 'host' } }, all.filter((name) => name !== 'user')],
    [{ security: { userNamespace: { uids: map, gids: map } } }, all],
    [{ security: { profile: 'privileged' } }, all],
    // Init makes the namespace itself, because offsets are written before anybody lives in it.
    [{ clocks: { boottime: '1h' } }, all.filter((name) => name !== 'time')],
  ])('%j', (options, expected) => {
    expect(names(planNamespaces(checkSandbox(options)))).toEqual(expected);
    expect(plan(options).namespaces).toBe(planNamespaces(checkSandbox(options)));
  });
});

describe('file systems of the kernel', () => {
  /** Path, type, attributes, options, strict; in this order. */
  const table = (options: SandboxOptions): unknown[] =>
    plan(options).steps.flatMap((step) =>
      step.kind === 'filesystem'
        ? [[step.path, step.type, attributesOf(step.attributes), step.options ?? {}, step.strict]]
        : [],
    );
  const inert = 'nosuid,nodev,noexec';

  test('by default', () => {
    expect(table({})).toEqual([
      ['proc', 'proc', inert, {}, true],
      ['sys', 'sysfs', `readonly,${inert}`, {}, true],
      ['dev/pts', 'devpts', 'nosuid,noexec', { ptmxmode: '0666', mode: '0620', gid: '5', max: '256' }, true],
      ['dev/shm', 'tmpfs', inert, { mode: '1777', size: String(64 * 2 ** 20) }, true],
      ['dev/mqueue', 'mqueue', inert, {}, true],
    ]);
  });

  test("on the host's network its sysfs is bound: a new one would be another network's", () => {
    expect(table({ network: 'host' })[1]).toEqual(['sys', 'bind-sys', `readonly,${inert}`, {}, true]);
  });

  test('the size of /dev/shm', () => {
    expect(table({ shm: '1MiB' })[3]).toEqual(['dev/shm', 'tmpfs', inert, { mode: '1777', size: '1048576' }, true]);
  });

  test('/dev comes first of them, no link may stand for it', () => {
    const { steps, sources } = plan();
    expect(steps[1]).toEqual({ kind: 'attach', path: 'dev', source: 3, strict: true });
    expect(sources[3]).toMatchObject({ kind: 'dev' });
  });
});

describe('what is hidden and what is read-only', () => {
  test('by default', () => {
    const { steps } = plan();
    expect(paths(steps, 'mask')).toEqual(MASKED_PATHS);
    expect(paths(steps, 'readonly')).toEqual(READONLY_PATHS);
  });

  test('more where root inside is root outside', () => {
    const { steps } = plan({ security: { userNamespace: 'host' } });
    expect(paths(steps, 'mask')).toEqual([...MASKED_PATHS, ...MASKED_FROM_HOST_ROOT]);
  });

  test('nothing with the profile "privileged", by name', () => {
    const { steps } = plan({ security: { profile: 'privileged' } });
    expect([...paths(steps, 'mask'), ...paths(steps, 'readonly')]).toEqual([]);
  });

  test('it comes after every mount: whoever mounts later would undo it', () => {
    const { steps } = plan({ mounts: [Volume.tmpfs('/x')], readonlyRoot: true, sysctls: { 'kernel.msgmax': 1 } });
    const kinds = steps.map(({ kind }) => kind);
    const last = (kind: Step['kind']): number => kinds.lastIndexOf(kind);
    expect(Math.max(last('attach'), last('filesystem'))).toBeLessThan(kinds.indexOf('mask'));
    // /proc/sys becomes read-only, so parameters are set before.
    expect(last('sysctl')).toBeLessThan(kinds.indexOf('readonly'));
  });

  test('a read-only root: what is attached to it, too', () => {
    const { readonlyRoot, steps } = plan({ readonlyRoot: true });
    expect(readonlyRoot).toBe(true);
    expect(paths(steps, 'readonly')).toEqual(['usr', ...READONLY_PATHS]);
    expect(plan().readonlyRoot).toBe(false);
  });
});

describe("the caller's mounts", () => {
  const mounts = [
    Volume.bind('/etc', '/a'),
    Volume.tmpfs('/b', { size: '1MiB', mode: 0o700 }),
    Volume.bind('/etc/passwd', '/c/d', { readonly: true }),
  ];
  const { sources, steps } = plan({ mounts }, { binds: [20, undefined, 21] });

  test('are nosuid and nodev, bind mounts with what is below and mapped ids', () => {
    const bind = { kind: 'host', idmap: 'if-possible', recursive: true };
    expect(sources.slice(4)).toEqual([
      { ...bind, fd: 20, attributes: MOUNT_ATTR.nosuid | MOUNT_ATTR.nodev },
      { ...bind, fd: 21, attributes: MOUNT_ATTR.nosuid | MOUNT_ATTR.nodev | MOUNT_ATTR.readonly },
    ]);
    expect(steps.filter(({ path }) => /^[abc]/.test(path))).toEqual([
      { kind: 'attach', path: 'a', source: 4, file: false },
      {
        kind: 'filesystem',
        path: 'b',
        type: 'tmpfs',
        options: { mode: '700', size: '1048576' },
        attributes: MOUNT_ATTR.nosuid | MOUNT_ATTR.nodev,
      },
      { kind: 'attach', path: 'c/d', source: 5, file: true },
    ]);
  });

  test('come after what the sandbox has of its own, in their order', () => {
    const order = steps.map(({ path }) => path);
    expect(order.indexOf('dev/mqueue')).toBeLessThan(order.indexOf('a'));
    expect(order.indexOf('a')).toBeLessThan(order.indexOf('b'));
  });

  test('what they forbid is locked where somebody inside could take it back', () => {
    expect(plan().lockMounts).toBe(false);
    expect(plan({ security: { capabilities: { add: ['SYS_ADMIN'] } } }).lockMounts).toBe(true);
    expect(plan({ security: { profile: 'privileged' } }).lockMounts).toBe(true);
  });
});

describe('the rest of the plan', () => {
  test('is what the spec and its parts say', () => {
    const tasks = [30, 31];
    const clocks = { monotonic: 1.5, boottime: '1s' };
    const result = plan({ name: 'box', domainname: 'lan', clocks }, { cgroup: { directory: 29, tasks } });
    expect(result).toMatchObject({
      uidMap: PARTS.uidMap,
      gidMap: PARTS.gidMap,
      nextRoot: 165_536,
      hostname: 'box',
      domainname: 'lan',
      // Whole milliseconds: 1.5 is 2.
      timeOffsets: { monotonicNs: 2_000_000n, boottimeNs: 1_000_000_000n },
      root: 2,
      seccomp: PARTS.seccomp.program,
      seccompFlags: 4,
      cgroup: 29,
      cgroupFiles: tasks,
      loopback: true,
    });
    expect(result.sources.slice(0, 3)).toEqual(PARTS.rootfs.sources);
    expect(result.steps[0]).toEqual(PARTS.rootfs.steps[0]);
  });

  test('no offsets, no v2 group', () => {
    expect(plan()).toMatchObject({ timeOffsets: undefined, cgroup: -1, cgroupFiles: [] });
  });

  test('changes are handed out to who wants them, where there is a layer that holds them', () => {
    expect(plan().writable).toBe(-1);
    expect(plan({}, { wantsChanges: true }).writable).toBe(0);
    expect(plan({}, { wantsChanges: true, rootfs: { ...PARTS.rootfs, changes: undefined } }).writable).toBe(-1);
  });

  test("an image's directories are made before anything is mounted", () => {
    const { steps } = plan({}, { directories: ['/data', '/var/lib/x'] });
    expect(steps.slice(1, 3)).toEqual([
      { kind: 'directory', path: 'data' },
      { kind: 'directory', path: 'var/lib/x' },
    ]);
  });

  test("the host's own loopback is up already", () => {
    expect(plan({ network: 'host' }).loopback).toBe(false);
  });

  test('parameters of the kernel are paths', () => {
    const { steps } = plan({ sysctls: { 'net.ipv4.ip_forward': 1 } });
    expect(steps.filter(({ kind }) => kind === 'sysctl')).toEqual([
      { kind: 'sysctl', path: 'net/ipv4/ip_forward', value: '1' },
    ]);
  });

  test('it is pure: twice the same, and its parts stay as they were', () => {
    const spec = checkSandbox({ mounts: [Volume.bind('/etc', '/x')] });
    const parts = { ...PARTS, binds: [5] };
    expect(planLaunch(spec, parts)).toEqual(planLaunch(spec, parts));
    expect(PARTS.rootfs.sources).toHaveLength(3);
  });
});
