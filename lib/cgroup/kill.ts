import { CloisterError } from '../errors.js';
import type { GroupDirectory } from './directory.js';
import { thawGroup } from './freeze.js';
import { type GroupState, mainDirectory } from './group-state.js';
import { pollUntil } from './poll.js';
import { listProcesses, procsFiles, readUsage } from './report.js';

const TIMEOUT_MS = 10_000;

function noteHits(state: GroupState): void {
  state.pidsHitsAtKill ??= readUsage(state).pidsLimitHits;
  for (const child of state.children) noteHits(child);
}

/** v2 kills a whole group at once, forks in progress included (since 5.14). */
function killAtOnce(directory: GroupDirectory): boolean {
  if (directory.tree.version !== 2 || !directory.tree.hasFile('cgroup.kill')) return false;
  directory.write('cgroup.kill', '1');
  return true;
}

/**
 * Without `cgroup.kill` a fork bomb can outrun a loop of signals. With `pids.max` 0 nothing in the group can fork any more, and
 * each round leaves fewer: a fork that passed the check before belongs to a process that is still listed.
 */
function refuseForks(state: GroupState): void {
  const tree = state.context.layout.serving('pids');
  if (tree !== undefined) state.directories.get(tree)?.write('pids.max', '0');
}

/** Returns whom it met. */
function killEach(state: GroupState): number[] {
  const pids = listProcesses(state);
  if (pids.length > 0) for (const file of procsFiles(state)) state.context.killMembers(file);
  return pids;
}

/** Everything that `CgroupControl.kill` promises. */
export async function killGroup(state: GroupState): Promise<void> {
  const main = mainDirectory(state);
  if (main === undefined || listProcesses(state).length === 0) return;
  noteHits(state);
  const isDone = killAtOnce(main);
  if (!isDone) {
    // What is here dies of the signal, and not by itself of a fork that was refused.
    killEach(state);
    refuseForks(state);
  }
  const isEmpty = await pollUntil(TIMEOUT_MS, () => {
    const pids = isDone ? listProcesses(state) : killEach(state);
    // A process in v1's freezer dies when it is let go.
    thawGroup(state);
    return pids.length === 0;
  });
  if (isEmpty) return;
  throw new CloisterError(
    'ERR_KERNEL',
    `kill(2) ${main.path}: ETIMEDOUT, processes ${listProcesses(state).join(', ')} live on`,
    {
      syscall: 'kill(2)',
      errno: 'ETIMEDOUT',
      subject: main.path,
      hint: 'a process waits in the kernel, often for a dead network file system (state D in ps)',
    },
  );
}
