import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CommandFds, CommandPlan, DeviceNode, LaunchPlan, Source, Step } from '../../lib/native/plan.js';
import { encodeCommand, encodeLaunch, type Encoded } from '../../lib/native/wire.js';
import { commandFds, commandPlan, launch } from '../support/plans.js';
import { nativeBuild } from '../support/native-build.js';

const decoder = join(nativeBuild(), 'cloister-plan-to-json');

/** What the native side makes of plans, each `l`aunch or `c`ommand. */
function decode(plans: readonly (readonly ['l' | 'c', Uint8Array])[]): unknown[] {
  const input = plans.flatMap(([kind, body]) => {
    const head = Buffer.alloc(5);
    head.write(kind);
    head.writeUInt32LE(body.length, 1);
    return [head, body];
  });
  const { stdout, stderr, status } = spawnSync(decoder, {
    input: Buffer.concat(input),
    maxBuffer: 2 ** 28,
  });
  expect(status, String(stderr)).toBe(0);
  return String(stdout)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

/** Descriptors as the indices under which a message carries them; each is used once. */
class Indices {
  #next = 0;
  constructor(readonly fds: readonly number[]) {}

  of(fd: number): number {
    if (fd < 0) return 0xffffffff;
    expect(this.fds[this.#next]).toBe(fd);
    return this.#next++;
  }

  checkAllUsed(): void {
    expect(this.#next).toBe(this.fds.length);
  }
}

/** Mirror of `kNoFd`. */
const NO_INDEX = 0xffff_ffff;

/** A lone surrogate becomes U+FFFD on its way. */
const utf8 = (text: string): string => Buffer.from(text).toString();

const NO_SOURCE = {
  attributes: '0',
  idMapping: 0,
  recursive: false,
  fd: 0,
  sizeBytes: '0',
  inodes: '0',
  mode: 0,
  lowers: [],
  upper: 0,
  upperName: '',
  unsynced: false,
  nodes: [],
};

const KINDS = { char: 'c', block: 'b', link: 'l', dir: 'l' } as const;

function expectedNode({ path, kind, major = 0, minor = 0, mode = 0o755, target = '' }: DeviceNode): object {
  const link = kind === 'link' ? utf8(target) : '';
  return { path: utf8(path), kind: KINDS[kind], major, minor, mode, link };
}

function expectedSource(source: Source, indices: Indices): object {
  if (source.kind === 'dev') return { ...NO_SOURCE, kind: 3, nodes: source.nodes.map(expectedNode) };
  const base = { ...NO_SOURCE, attributes: String(source.attributes) };
  if (source.kind === 'host') {
    const idMapping = ['no', 'yes', 'if-possible'].indexOf(source.idmap);
    return { ...base, kind: 0, idMapping, recursive: source.recursive, fd: indices.of(source.fd) };
  }
  if (source.kind === 'tmpfs') {
    const { sizeBytes, inodes, mode } = source;
    return { ...base, kind: 1, sizeBytes: String(sizeBytes), inodes: String(inodes), mode };
  }
  const { lowers, upper, upperName, unsynced } = source;
  return { ...base, kind: 2, lowers, upper, upperName: utf8(upperName), unsynced };
}

function expectedStep(step: Step): object {
  const nothing = { index: 0, attributes: '0', type: '', options: [], value: '', optional: false, file: false };
  const base = { ...nothing, path: utf8(step.path) };
  switch (step.kind) {
    case 'attach':
      return { ...base, kind: 0, index: step.source, file: step.file ?? false, strict: step.strict ?? false };
    case 'filesystem': {
      const options = Object.entries(step.options ?? {}).map((pair) => pair.map(utf8));
      const { attributes, type, strict = false } = step;
      return { ...base, kind: 1, attributes: String(attributes), type: utf8(type), options, strict };
    }
    case 'mask':
      return { ...base, kind: 2, optional: true, strict: true };
    case 'readonly':
      return { ...base, kind: 3, optional: true, strict: true };
    case 'sysctl':
      return { ...base, kind: 4, value: utf8(step.value), strict: false };
    case 'directory':
      return { ...base, kind: 5, strict: false };
  }
}

function expectedCommand(plan: CommandPlan, fds: CommandFds, indices: Indices): object {
  const { argv, env, cwd, user, group, tty, rlimits, capabilities, ...same } = plan;
  return {
    ...same,
    id: fds.id,
    killRest: fds.killRest,
    argv: argv.map(utf8),
    env: env.map(utf8),
    cwd: utf8(cwd),
    user: utf8(user),
    group: utf8(group),
    capabilities: Object.fromEntries(Object.entries(capabilities).map(([name, mask]) => [name, String(mask)])),
    rlimits: rlimits.map(({ resource, soft, hard }) => ({ resource, soft: String(soft), hard: String(hard) })),
    stdio: fds.stdio.map((fd) => indices.of(fd)),
    cgroup: indices.of(fds.cgroup),
    cgroupFiles: fds.cgroupFiles.map((fd) => indices.of(fd)),
    tty: tty !== undefined,
    columns: tty?.columns ?? 0,
    rows: tty?.rows ?? 0,
  };
}

function expectedLaunch(
  id: number,
  plan: LaunchPlan,
  control: number,
  command: { plan: CommandPlan; fds: CommandFds } | undefined,
  indices: Indices,
): object {
  const { namespaces, timeOffsets, hostname, domainname, seccomp, sources, steps, cgroup, cgroupFiles, ...same } = plan;
  return {
    ...same,
    id,
    namespaces: String(namespaces),
    hostname: utf8(hostname),
    domainname: utf8(domainname),
    writable: plan.writable < 0 ? NO_INDEX : plan.writable,
    hasOffsets: timeOffsets !== undefined,
    monotonicNs: String(timeOffsets?.monotonicNs ?? 0n),
    boottimeNs: String(timeOffsets?.boottimeNs ?? 0n),
    sources: sources.map((source) => expectedSource(source, indices)),
    steps: steps.map(expectedStep),
    seccomp: [...seccomp],
    cgroup: indices.of(cgroup),
    cgroupFiles: cgroupFiles.map((fd) => indices.of(fd)),
    control: indices.of(control),
    command: command === undefined ? null : expectedCommand(command.plan, command.fds, indices),
  };
}

function withIndices({ fds }: Encoded, expected: (indices: Indices) => object): object {
  const indices = new Indices(fds);
  const result = expected(indices);
  indices.checkAllUsed();
  return result;
}

test('a launch plan arrives field by field', () => {
  fc.assert(
    fc.property(fc.array(launch, { minLength: 1, maxLength: 40 }), (launches) => {
      const encoded = launches.map(({ id, plan, control, command }) => encodeLaunch(id, plan, control, command));
      const expected = launches.map(({ id, plan, control, command }, index) =>
        withIndices(encoded[index]!, (indices) => expectedLaunch(id, plan, control, command, indices)),
      );
      expect(decode(encoded.map(({ body }) => ['l', body]))).toEqual(expected);
    }),
    { numRuns: 8 },
  );
});

test('a command plan arrives field by field', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(commandPlan, commandFds), { minLength: 1, maxLength: 60 }), (commands) => {
      const encoded = commands.map(([plan, fds]) => encodeCommand(plan, fds));
      const expected = commands.map(([plan, fds], index) =>
        withIndices(encoded[index]!, (indices) => expectedCommand(plan, fds, indices)),
      );
      expect(decode(encoded.map(({ body }) => ['c', body]))).toEqual(expected);
    }),
    { numRuns: 8 },
  );
});

test('a plan that lost bytes, or has one too many, is an error', () => {
  fc.assert(
    fc.property(launch, fc.nat(), ({ id, plan, control, command }, where) => {
      const { body } = encodeLaunch(id, plan, control, command);
      const broken = [body.subarray(0, where % body.length), Buffer.concat([body, Buffer.alloc(1)])];
      const error = expect.objectContaining({ error: expect.any(String) });
      expect(decode(broken.map((each) => ['l', each]))).toEqual([error, error]);
    }),
    { numRuns: 12 },
  );
});

test('an argument of 100 KiB and an environment of a thousand', () => {
  const [plan, fds] = fc.sample(fc.tuple(commandPlan, commandFds), { numRuns: 1, seed: 1 })[0]!;
  const large = {
    ...plan,
    argv: ['x'.repeat(100_000)],
    env: Array.from({ length: 1000 }, (_, i) => `V${i}=${'ü'.repeat(i)}`),
  };
  const [decoded] = decode([['c', encodeCommand(large, fds).body]]) as [CommandPlan];
  expect(decoded.argv).toEqual(large.argv);
  expect(decoded.env).toEqual(large.env);
});
