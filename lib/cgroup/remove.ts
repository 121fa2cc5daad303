import { errnoOf } from './cgroup-files.js';
import type { GroupDirectory } from './directory.js';
import type { GroupState } from './group-state.js';
import { pollUntil } from './poll.js';
import { retire } from './report.js';

const TIMEOUT_MS = 10_000;

/** Tries each once; returns what is still busy, with the kernel's last word on it. */
function removeOnce(directories: readonly GroupDirectory[]): { busy: GroupDirectory[]; error?: unknown } {
  const busy: GroupDirectory[] = [];
  let refusal: unknown;
  for (const directory of directories) {
    try {
      directory.removeDirectories();
    } catch (error) {
      if (errnoOf(error) !== 'EBUSY') throw error;
      busy.push(directory);
      refusal = error;
    }
  }
  return { busy, error: refusal };
}

/** Closes a group and removes its directories; what is busy stays and is returned. */
function removeNow(state: GroupState): { busy: GroupDirectory[]; error?: unknown } {
  const below = [...state.stuck, ...[...state.children].flatMap((child) => removeNow(child).busy)];
  if (state.parent?.children.delete(state) === true) retire(state);
  const directories = [...state.directories.values()].reverse();
  for (const directory of directories) directory.close();
  state.directories.clear();
  return removeOnce([...below, ...directories]);
}

/** Everything that `CgroupControl.remove` promises. Synchronous up to the first `await`, which only a busy group reaches. */
export async function removeGroup(state: GroupState): Promise<void> {
  let left = removeNow(state);
  if (left.busy.length === 0) return;
  // A process that has just ended can keep its group busy for a moment.
  const isGone = await pollUntil(TIMEOUT_MS, () => {
    left = removeOnce(left.busy);
    return left.busy.length === 0;
  });
  if (isGone) return;
  for (const directory of left.busy) state.parent?.stuck.add(directory);
  throw left.error;
}

/** For groups that never held a process. */
export function discardGroup(state: GroupState): void {
  removeNow(state);
}
