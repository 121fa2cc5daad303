import { posix } from 'node:path';
import type { GroupContext } from './context.js';
import { CONTROLLERS } from './controllers/index.js';
import { planDeviceFilter } from './device-filter.js';
import { deviceTable } from './device-rules.js';
import { GroupDirectory } from './directory.js';
import type { GroupState } from './group-state.js';
import type { CgroupLimits } from './limits.js';
import type { CgroupRole } from './manager.js';
import { childLimits, planGroup } from './plan.js';
import { discardGroup } from './remove.js';
import type { CgroupTree } from './tree.js';
import { addDirectory } from './update.js';

export interface NewGroup {
  readonly name: string;
  readonly role: CgroupRole;
  /** Checked by the caller (`checkLimits`). */
  readonly requested: CgroupLimits;
  readonly parent?: GroupState;
}

/** Makes a group's directories with everything in them. A failure leaves nothing. */
export function makeGroup(context: GroupContext, wanted: NewGroup): GroupState {
  const state = emptyState(context, wanted);
  try {
    for (const plan of planGroup(context.layout, state.role, state.limits, state.parent !== undefined)) {
      const path = state.parent === undefined ? plan.tree.ownerPath : parentPath(state.parent, plan.tree, state.limits);
      state.directories.set(plan.tree, GroupDirectory.make(path, state.name, plan, context.files));
    }
    attachDevices(state);
    return state;
  } catch (error) {
    discardGroup(state);
    throw error;
  }
}

function emptyState(context: GroupContext, { name, role, requested, parent }: NewGroup): GroupState {
  return {
    context,
    name,
    role,
    parent,
    directories: new Map(),
    children: new Set(),
    stuck: new Set(),
    requested,
    limits: parent === undefined ? requested : childLimits(context.layout, parent.limits, requested),
    retired: {},
    sampledPeaks: {},
    pidsHitsAtKill: undefined,
    frozenIn: undefined,
  };
}

/** The directory above a command's. v2: a controller that only this command's own limits need has to be passed on there first. */
function parentPath(parent: GroupState, tree: CgroupTree, limits: CgroupLimits): string {
  const directory = addDirectory(parent, tree);
  if (tree.version === 2) {
    const extra = CONTROLLERS.filter(
      (controller) =>
        !controller.isAccounting &&
        tree.has(controller.name) &&
        controller.limits.some((limit) => limits[limit] !== undefined),
    );
    if (extra.length > 0) directory.passOn(extra.map(({ name }) => name));
  }
  return directory.path;
}

function attachDevices(state: GroupState): void {
  const { limits, context } = state;
  const tree = context.layout.unified;
  if (limits.devices === undefined || tree === undefined || context.layout.serving('devices') !== undefined) return;
  const directory = state.directories.get(tree);
  if (directory === undefined) return;
  // Not `entryFd`, which can be that of `init`: the filter is for the whole group.
  const fd = context.files.open(posix.join(directory.path), 'directory');
  try {
    context.attachDeviceFilter?.(fd, planDeviceFilter(deviceTable(limits.devices)));
  } finally {
    context.files.close(fd);
  }
}
