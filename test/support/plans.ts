import fc from 'fast-check';
import type {
  CommandFds,
  CommandPlan,
  DeviceNode,
  IdMapEntry,
  LaunchPlan,
  Source,
  Step,
} from '../../lib/native/plan.js';

/** Plans of every shape that the library can make, and of some that it does not. */

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const u64 = fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.constantFrom(0n, 1n, 2n ** 63n, 2n ** 64n - 1n));
const i64 = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n);
const size = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
/** Descriptors are told apart by their number; none is open. */
const fd = fc.integer({ min: 3, max: 2 ** 20 });
const fdOrNone = fc.oneof(fd, fc.constant(-1));

/** Any text without NUL, as the options' validation lets it through. */
export const text = fc.string({ unit: 'binary', maxLength: 40 }).map((each) => each.replaceAll('\0', ''));

const idMap: fc.Arbitrary<IdMapEntry[]> = fc.array(fc.record({ inside: u32, outside: u32, count: u32 }), {
  maxLength: 4,
});

const node: fc.Arbitrary<DeviceNode> = fc.record(
  {
    path: text,
    kind: fc.constantFrom('char', 'block', 'link', 'dir'),
    major: u32,
    minor: u32,
    mode: fc.integer({ min: 0, max: 0o7777 }),
    target: text,
  },
  { requiredKeys: ['path', 'kind'] },
);

const plainSource: fc.Arbitrary<Source> = fc.oneof(
  fc.record({
    kind: fc.constant('host' as const),
    fd,
    idmap: fc.constantFrom('no', 'yes', 'if-possible'),
    recursive: fc.boolean(),
    attributes: u64,
  }),
  fc.record({ kind: fc.constant('tmpfs' as const), sizeBytes: size, inodes: size, mode: u32, attributes: u64 }),
  fc.record({ kind: fc.constant('dev' as const), nodes: fc.array(node, { maxLength: 5 }) }),
);

/** An overlay, of sources that stand before it. */
const overlay = (before: number): fc.Arbitrary<Source> =>
  fc.record({
    kind: fc.constant('overlay' as const),
    lowers: fc.array(fc.nat(before - 1), { minLength: 1, maxLength: 5 }),
    upper: fc.nat(before - 1),
    upperName: text,
    unsynced: fc.boolean(),
    attributes: u64,
  });

const sources: fc.Arbitrary<Source[]> = fc
  .array(plainSource, { minLength: 1, maxLength: 4 })
  .chain((plain) =>
    fc.array(overlay(plain.length), { maxLength: 3 }).map((overlays): Source[] => [...plain, ...overlays]),
  );

const step = (count: number): fc.Arbitrary<Step> =>
  fc.oneof(
    fc.record(
      {
        kind: fc.constant('attach' as const),
        path: text,
        source: fc.nat(count - 1),
        file: fc.boolean(),
        strict: fc.boolean(),
      },
      { requiredKeys: ['kind', 'path', 'source'] },
    ),
    fc.record(
      {
        kind: fc.constant('filesystem' as const),
        path: text,
        type: text,
        options: fc.dictionary(text, text, { maxKeys: 4, noNullPrototype: true }),
        attributes: u64,
        strict: fc.boolean(),
      },
      { requiredKeys: ['kind', 'path', 'type', 'attributes'] },
    ),
    fc.record({ kind: fc.constantFrom('mask' as const, 'readonly' as const), path: text }),
    fc.record({ kind: fc.constant('sysctl' as const), path: text, value: text }),
    fc.record({ kind: fc.constant('directory' as const), path: text }),
  );

export const commandPlan: fc.Arbitrary<CommandPlan> = fc.record({
  argv: fc.array(text, { minLength: 1, maxLength: 6 }),
  env: fc.array(text, { maxLength: 6 }),
  cwd: text,
  user: text,
  group: text,
  uid: u32,
  gid: u32,
  groups: fc.array(u32, { maxLength: 6 }),
  umask: fc.integer({ min: 0, max: 0o777 }),
  capabilities: fc.record({ bounding: u64, effective: u64, permitted: u64, inheritable: u64, ambient: u64 }),
  noNewPrivileges: fc.boolean(),
  findHome: fc.boolean(),
  rlimits: fc.array(fc.record({ resource: u32, soft: u64, hard: u64 }), { maxLength: 4 }),
  tty: fc.option(fc.record({ columns: u32, rows: u32 }), { nil: undefined }),
});

export const commandFds: fc.Arbitrary<CommandFds> = fc.record({
  id: u32,
  killRest: fc.boolean(),
  stdio: fc.tuple(fdOrNone, fdOrNone, fdOrNone),
  cgroup: fdOrNone,
  cgroupFiles: fc.array(fd, { maxLength: 8 }),
});

const launchParts = {
  namespaces: u64,
  uidMap: idMap,
  gidMap: idMap,
  hostname: text,
  domainname: text,
  timeOffsets: fc.option(fc.record({ monotonicNs: i64, boottimeNs: i64 }), { nil: undefined }),
  readonlyRoot: fc.boolean(),
  loopback: fc.boolean(),
  lockMounts: fc.boolean(),
  seccomp: fc.uint8Array({ maxLength: 64 }),
  seccompFlags: u32,
  nextRoot: u32,
  cgroup: fdOrNone,
  cgroupFiles: fc.array(fd, { maxLength: 8 }),
};

export const launchPlan: fc.Arbitrary<LaunchPlan> = sources.chain((list) =>
  fc.record({
    ...launchParts,
    sources: fc.constant(list),
    root: fc.nat(list.length - 1),
    writable: fc.integer({ min: -1, max: list.length - 1 }),
    steps: fc.array(step(list.length), { maxLength: 8 }),
  }),
);

/** What `encodeLaunch` takes. */
export const launch = fc.record({
  id: u32,
  plan: launchPlan,
  control: fd,
  command: fc.option(fc.record({ plan: commandPlan, fds: commandFds }), { nil: undefined }),
});
