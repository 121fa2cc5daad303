import type { GroupDirectory } from './directory.js';
import type { GroupState } from './group-state.js';
import { addDirectory, gatherProcesses } from './update.js';
import type { CgroupPressure, Stall, StallShare } from './usage.js';

const shareOf = (line: string | undefined): StallShare | undefined => {
  const [, avg10, avg60, avg300, total] =
    /avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=(\d+)/.exec(line ?? '') ?? [];
  if (total === undefined) return undefined;
  return { avg10: Number(avg10), avg60: Number(avg60), avg300: Number(avg300), totalUs: Number(total) };
};

/** `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same for `full` (psi.html). */
export function parseStall(text: string | undefined): Stall | undefined {
  const line = (kind: string): string | undefined =>
    text?.split('\n').find((candidate) => candidate.startsWith(`${kind} `));
  const some = shareOf(line('some'));
  return some === undefined ? undefined : { some, full: shareOf(line('full')) };
}

/** On a hybrid a group enters the v2 tree when somebody wants to know: pressure is measured from then on. */
function unifiedDirectory(state: GroupState): GroupDirectory | undefined {
  const tree = state.context.layout.unified;
  if (tree === undefined || !tree.hasFile('memory.pressure')) return undefined;
  const known = state.directories.get(tree);
  if (known !== undefined) return known;
  const directory = addDirectory(state, tree);
  gatherProcesses(state, directory);
  return directory;
}

/** Everything that `CgroupReport.pressure` promises. */
export function readPressure(state: GroupState): CgroupPressure | undefined {
  const directory = unifiedDirectory(state);
  if (directory === undefined) return undefined;
  return {
    cpu: parseStall(directory.read('cpu.pressure')),
    memory: parseStall(directory.read('memory.pressure')),
    io: parseStall(directory.read('io.pressure')),
  };
}
