import { CloisterError } from '../errors.js';
import { parseKeyed } from './controllers/controller.js';
import type { GroupDirectory } from './directory.js';
import type { GroupState } from './group-state.js';
import { pollUntil } from './poll.js';
import { addDirectory, gatherProcesses } from './update.js';

const TIMEOUT_MS = 10_000;

/** v2's freezer where there is one: unlike v1's, what it holds can still be killed. */
function freezerTree(state: GroupState): GroupDirectory['tree'] {
  const tree = state.context.layout.unified ?? state.context.layout.serving('freezer');
  if (tree !== undefined) return tree;
  const { reason, remedy } = state.context.layout.explainMissing('freezer');
  throw new CloisterError('ERR_UNSUPPORTED', `${state.name} cannot be frozen: ${reason}`, { hint: remedy });
}

function isFrozen(directory: GroupDirectory): boolean {
  if (directory.tree.version === 2) return parseKeyed(directory.read('cgroup.events'), 'frozen') === 1;
  // A process that was busy in the kernel can make v1 stay at FREEZING until it is asked again.
  if (directory.read('freezer.state')?.trim() === 'FROZEN') return true;
  directory.write('freezer.state', 'FROZEN');
  return false;
}

function setFrozen(directory: GroupDirectory, frozen: boolean): void {
  if (directory.tree.version === 2) directory.write('cgroup.freeze', frozen ? '1' : '0');
  else directory.write('freezer.state', frozen ? 'FROZEN' : 'THAWED');
}

/**
 * Everything that `CgroupControl.freeze` promises. A group enters a freezer only here, because most never need one: the freezer is
 * switched on first, so that each process stops as it is moved in.
 */
export async function freezeGroup(state: GroupState): Promise<void> {
  const directory = addDirectory(state, freezerTree(state));
  setFrozen(directory, true);
  state.frozenIn = directory.tree;
  try {
    gatherProcesses(state, directory);
    if (await pollUntil(TIMEOUT_MS, () => isFrozen(directory))) return;
    throw new CloisterError('ERR_KERNEL', `write(2) ${directory.path}: ETIMEDOUT, not frozen after ${TIMEOUT_MS} ms`, {
      syscall: 'write(2)',
      errno: 'ETIMEDOUT',
      subject: directory.path,
      hint: 'a process waits in the kernel, often for a dead network file system (state D in ps)',
    });
  } catch (error) {
    thawGroup(state);
    throw error;
  }
}

/** Lets go on what `freezeGroup` stopped; nothing to do for a group that is not frozen. */
export function thawGroup(state: GroupState): void {
  const directory = state.frozenIn === undefined ? undefined : state.directories.get(state.frozenIn);
  state.frozenIn = undefined;
  if (directory !== undefined) setFrozen(directory, false);
}
