import { posix } from 'node:path';
import { errnoOf } from './cgroup-files.js';
import type { GroupContext } from './context.js';
import { parseOwner } from '../shared/owner.js';
import { pollUntil } from './poll.js';
import { parsePids } from './report.js';
import type { CgroupTree } from './tree.js';

const TIMEOUT_MS = 5_000;

/** What can vanish under our hands, because its owner's launcher or another sweep is at work, counts as done. */
function ignoreGone<T>(fallback: T, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENODEV') return fallback;
    throw error;
  }
}

/** Kills what is in a directory tree and removes what is empty, deepest first; true when nothing is left. */
function sweepOnce(context: GroupContext, path: string): boolean {
  const { files } = context;
  let isEmpty = true;
  for (const name of ignoreGone([], () => files.list(path))) {
    if (!sweepOnce(context, posix.join(path, name))) isEmpty = false;
  }
  const procsFile = posix.join(path, 'cgroup.procs');
  const pids = ignoreGone([], () => parsePids(files.read(procsFile)));
  if (pids.length > 0) context.killMembers(procsFile);
  if (!isEmpty || pids.length > 0) return false;
  try {
    files.removeDirectory(path);
    return true;
  } catch (error) {
    if (errnoOf(error) !== 'EBUSY' && errnoOf(error) !== 'ENOENT') throw error;
    return errnoOf(error) === 'ENOENT';
  }
}

/** A group of a killed application can be frozen: nothing in it dies until it is let go. */
function thawAll(context: GroupContext, tree: CgroupTree, path: string): void {
  const [file, value] = tree.version === 2 ? ['cgroup.freeze', '0'] : ['freezer.state', 'THAWED'];
  for (const name of ignoreGone([], () => context.files.list(path))) {
    ignoreGone(undefined, () => context.files.write(posix.join(path, name, file), value));
  }
}

async function sweepOwner(context: GroupContext, tree: CgroupTree, label: string): Promise<void> {
  const path = posix.join(tree.libraryPath, label);
  const isFreezer = tree.version === 2 || tree.has('freezer');
  await pollUntil(TIMEOUT_MS, () => {
    if (isFreezer) thawAll(context, tree, path);
    return sweepOnce(context, path);
  });
}

/** Everything that `CgroupManager.sweep` promises. Directories that are not labels of ours are left alone. */
export async function sweepOwners(
  context: GroupContext,
  self: string,
  isAlive: (label: string) => boolean,
): Promise<string[]> {
  const swept = new Set<string>();
  for (const tree of context.layout.trees) {
    for (const label of ignoreGone([], () => context.files.list(tree.libraryPath))) {
      if (label === self || parseOwner(label) === undefined || isAlive(label)) continue;
      await sweepOwner(context, tree, label);
      swept.add(label);
    }
  }
  return [...swept];
}
