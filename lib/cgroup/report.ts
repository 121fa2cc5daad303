import { posix } from 'node:path';
import { CONTROLLERS } from './controllers/index.js';
import { errnoOf } from './cgroup-files.js';
import { parseKeyed } from './controllers/controller.js';
import type { GroupDirectory } from './directory.js';
import { type GroupState, mainDirectory } from './group-state.js';
import type { CgroupTree } from './tree.js';
import { type CgroupUsage, UNKNOWN_USAGE } from './usage.js';

type Tallied = 'oomKills' | 'pidsLimitHits' | 'ioReadBytes' | 'ioWriteBytes';

const V1_TALLIED: readonly Tallied[] = ['oomKills', 'pidsLimitHits', 'ioReadBytes', 'ioWriteBytes'];

/** Counters that the kernel keeps per group only, so that a group's own file does not include its children. */
function talliedIn(tree: CgroupTree, name: string): readonly Tallied[] {
  if (tree.version === 1) return V1_TALLIED;
  return name === 'pids' && !tree.hasFile('pids.events.local') ? ['pidsLimitHits'] : [];
}

function talliedFields(state: GroupState): Set<Tallied> {
  const { layout } = state.context;
  const byController = { memory: ['oomKills'], pids: ['pidsLimitHits'], io: ['ioReadBytes', 'ioWriteBytes'] } as const;
  const result = new Set<Tallied>();
  for (const [name, fields] of Object.entries(byController)) {
    const tree = layout.serving(name as keyof typeof byController);
    const tallied = tree === undefined ? [] : talliedIn(tree, name);
    for (const field of fields) if (tallied.includes(field)) result.add(field);
  }
  return result;
}

const add = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? undefined : a + (b ?? 0);

/** Adds what a group's own counters leave out: live children, removed ones, and on v2 its `init`. */
function addChildren(state: GroupState, own: CgroupUsage): CgroupUsage {
  if (state.role === 'command') return own;
  const total: Partial<Record<Tallied, number | undefined>> = {};
  const children = [...state.children].map(readUsage);
  for (const field of talliedFields(state)) {
    total[field] = children.reduce((sum, child) => add(sum, child[field]), add(own[field], state.retired[field]));
  }
  return { ...own, ...total };
}

/** The counters to carry over into the parent before a group is removed. */
export function retire(state: GroupState): void {
  const { parent } = state;
  if (parent === undefined) return;
  const fields = talliedFields(parent);
  if (fields.size === 0) return;
  const last = readUsage(state);
  for (const field of fields)
    parent.retired = { ...parent.retired, [field]: (parent.retired[field] ?? 0) + (last[field] ?? 0) };
}

type Peak = keyof GroupState['sampledPeaks'];

/** The kernel's peak, else the highest value that was ever seen here; an empty group is no sample. */
function peakOf(
  state: GroupState,
  field: Peak,
  exact: number | undefined,
  now: number | undefined,
): number | undefined {
  if (exact !== undefined) return exact;
  if (now !== undefined && now > 0) state.sampledPeaks[field] = Math.max(state.sampledPeaks[field] ?? 0, now);
  return state.sampledPeaks[field];
}

/** On v2 before 6.10 a refused fork of the sandbox's first process is counted in `init`. */
function initHits({ entryPath, path, tree, files }: GroupDirectory): number {
  if (entryPath === path || tree.hasFile('pids.events.local')) return 0;
  try {
    return parseKeyed(files.read(posix.join(entryPath, 'pids.events')), 'max') ?? 0;
  } catch {
    return 0;
  }
}

/** Everything that `CgroupReport.usage` promises. */
export function readUsage(state: GroupState): CgroupUsage {
  const { layout, disks, countsIo } = state.context;
  let own: CgroupUsage = UNKNOWN_USAGE;
  for (const controller of CONTROLLERS) {
    const tree = layout.serving(controller.name);
    const directory = tree === undefined ? undefined : state.directories.get(tree);
    if (tree === undefined || directory === undefined || (controller.name === 'io' && !countsIo)) continue;
    const read = (file: string): string | undefined => (tree.hasFile(file) ? directory.read(file) : undefined);
    own = { ...own, ...controller.usage(tree.version, read, (device) => disks.isStacked(device)) };
    if (controller.name === 'pids') own = { ...own, pidsLimitHits: add(own.pidsLimitHits, initHits(directory)) };
  }
  const total = addChildren(state, own);
  return {
    ...total,
    memoryPeakBytes: peakOf(
      state,
      'memoryPeakBytes',
      own.memoryPeakBytes,
      own.pidsCurrent === 0 ? 0 : own.memoryCurrentBytes,
    ),
    pidsPeak: peakOf(state, 'pidsPeak', own.pidsPeak, own.pidsCurrent),
    pidsLimitHits: state.pidsHitsAtKill ?? total.pidsLimitHits,
  };
}

/** Host process ids in this group and below: parents before children, so that nobody who joins a child meanwhile is missed. */
export function listProcesses(state: GroupState, directory = mainDirectory(state)): number[] {
  if (directory === undefined) return [];
  const pids = new Set<number>();
  for (const path of pathsBelow(state, directory)) {
    for (const pid of readProcs(directory, path)) pids.add(pid);
  }
  return [...pids];
}

/** The lists of its processes, those of its children included. */
export function procsFiles(state: GroupState): string[] {
  const directory = mainDirectory(state);
  if (directory === undefined) return [];
  return pathsBelow(state, directory).map((path) => posix.join(path, 'cgroup.procs'));
}

/** The directories of a group and its children in one tree. */
function pathsBelow(state: GroupState, directory: GroupDirectory): string[] {
  const children = [...state.children].flatMap((child) => {
    const below = child.directories.get(directory.tree);
    return below === undefined ? [] : pathsBelow(child, below);
  });
  return [...new Set([directory.path, directory.entryPath, ...children])];
}

function readProcs({ files }: GroupDirectory, path: string): number[] {
  try {
    return parsePids(files.read(posix.join(path, 'cgroup.procs')));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENODEV') return [];
    throw error;
  }
}

/** A process outside of the reader's pid namespace is listed as 0. */
export function parsePids(text: string): number[] {
  return text
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 0);
}
