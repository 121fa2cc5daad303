import { posix } from 'node:path';
import { CloisterError } from '../errors.js';
import { errnoOf } from './cgroup-files.js';
import { checkLimits, resolveIoDevice, unmetLimitsError } from './check.js';
import { CONTROLLERS } from './controllers/index.js';
import { applySteps, GroupDirectory } from './directory.js';
import { type GroupState } from './group-state.js';
import type { CgroupLimits } from './limits.js';
import { childLimits } from './plan.js';
import { listProcesses } from './report.js';
import type { CgroupTree } from './tree.js';

/** How often processes are collected anew that were born while others were moved. */
const MAX_PASSES = 100;

/** The group's directory in a tree in which it has none yet; empty, the processes stay where they are. */
export function addDirectory(state: GroupState, tree: CgroupTree): GroupDirectory {
  const known = state.directories.get(tree);
  if (known !== undefined) return known;
  const parentPath = state.parent === undefined ? tree.ownerPath : addDirectory(state.parent, tree).path;
  const plan = { tree, steps: [], passOn: [], hasInit: false };
  const directory = GroupDirectory.make(parentPath, state.name, plan, state.context.files);
  state.directories.set(tree, directory);
  return directory;
}

/** Moves every process of the group into its directory in another tree; the ones that fork meanwhile are followed. */
export function gatherProcesses(state: GroupState, directory: GroupDirectory): void {
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const inside = new Set(listProcesses(state, directory));
    const outside = listProcesses(state).filter((pid) => !inside.has(pid));
    if (outside.length === 0) return;
    for (const pid of outside) moveProcess(directory, pid);
  }
  throw new CloisterError(
    'ERR_KERNEL',
    `write(2) ${directory.path}/cgroup.procs: EAGAIN, new processes keep appearing outside`,
    {
      syscall: 'write(2)',
      errno: 'EAGAIN',
      subject: directory.path,
      hint: 'limit the number of processes',
    },
  );
}

function moveProcess({ files, entryPath }: GroupDirectory, pid: number): void {
  try {
    files.write(posix.join(entryPath, 'cgroup.procs'), String(pid));
  } catch (error) {
    // ESRCH: it ended. EINVAL: it is ending and has left its thread group already (cgroup_procs_write_start).
    if (errnoOf(error) !== 'ESRCH' && errnoOf(error) !== 'EINVAL') throw error;
  }
}

function applyDifference(state: GroupState, to: CgroupLimits, from: CgroupLimits): void {
  for (const controller of CONTROLLERS) {
    if (!controller.limits.some((limit) => to[limit] !== from[limit])) continue;
    const tree = state.context.layout.serving(controller.name);
    if (tree === undefined) continue;
    const isNew = !state.directories.has(tree);
    const directory = addDirectory(state, tree);
    applySteps(state.context.files, directory.path, controller.steps(tree.version, to, from));
    if (isNew) gatherProcesses(state, directory);
  }
}

/** `Infinity` stands for the absence of a limit. */
function merge(limits: CgroupLimits, changes: CgroupLimits): CgroupLimits {
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  const io = changes.io === undefined ? limits.io : { ...limits.io, ...changes.io };
  return { ...limits, ...given, ...(io === undefined ? {} : { io }) };
}

function refuseDevices(state: GroupState): CloisterError {
  return new CloisterError(
    'ERR_LIMIT_UNSUPPORTED',
    `limit devices of ${state.name} cannot be changed: attached BPF programs stay`,
    {
      subject: 'devices',
      hint: 'give the device list when the sandbox is made',
    },
  );
}

/** Everything that `CgroupControl.update` promises. */
export function updateLimits(state: GroupState, changes: CgroupLimits): void {
  const { context, limits: from } = state;
  const requested = resolveIoDevice(context, merge(state.requested, changes));
  const to = state.parent === undefined ? requested : childLimits(context.layout, state.parent.limits, requested);
  const unmet = checkLimits(context, to);
  if (unmet.length > 0) throw unmetLimitsError(unmet);
  if (changes.devices !== undefined && context.layout.serving('devices') === undefined) throw refuseDevices(state);
  try {
    applyDifference(state, to, from);
    state.limits = to;
    state.requested = requested;
    for (const child of state.children) repeatInChild(state, child);
  } catch (error) {
    restore(state, to, from);
    throw error;
  }
}

/** See `childLimits`: a command's group repeats a limit of its sandbox. */
function repeatInChild(state: GroupState, child: GroupState): void {
  const limits = childLimits(state.context.layout, state.limits, child.requested);
  if (limits.pids === child.limits.pids) return;
  applyDifference(child, limits, child.limits);
  child.limits = limits;
}

/** Back to what was: a limit that was absent becomes unlimited. Best effort, the first error is the one that counts. */
function restore(state: GroupState, to: CgroupLimits, from: CgroupLimits): void {
  state.limits = from;
  const unlimited: CgroupLimits = {
    memoryBytes: Infinity,
    swapBytes: Infinity,
    cpus: Infinity,
    cpuWeight: 100,
    pids: Infinity,
  };
  const kept = Object.fromEntries(
    Object.entries(unlimited).filter(([name]) => to[name as keyof CgroupLimits] !== undefined),
  );
  try {
    applyDifference(state, { ...kept, ...from }, to);
  } catch {
    return;
  }
}
