import type { GroupContext } from './context.js';
import type { GroupDirectory } from './directory.js';
import type { CgroupLimits } from './limits.js';
import type { CgroupRole } from './manager.js';
import type { CgroupTree } from './tree.js';
import type { CgroupUsage } from './usage.js';

/** A group as the verbs (`report.ts`, `update.ts`, `freeze.ts`, `kill.ts`, `remove.ts`) see it. */
export interface GroupState {
  readonly context: GroupContext;
  readonly name: string;
  readonly role: CgroupRole;
  readonly parent: GroupState | undefined;
  readonly directories: Map<CgroupTree, GroupDirectory>;
  readonly children: Set<GroupState>;
  /** Directories of removed children that could not go yet. */
  readonly stuck: Set<GroupDirectory>;
  /** What the caller asked for. */
  requested: CgroupLimits;
  /** What is in force: with what `childLimits` added. */
  limits: CgroupLimits;
  /** What removed children had counted, of the counters that the kernel does not keep in the group above. */
  retired: Partial<CgroupUsage>;
  /** Highest values seen, for kernels without `memory.peak` (5.19) or `pids.peak` (6.6). */
  sampledPeaks: Partial<Record<'memoryPeakBytes' | 'pidsPeak', number>>;
  /** Limit hits before `kill()`: killing itself refuses forks. */
  pidsHitsAtKill: number | undefined;
  /** The tree whose freezer holds this group. */
  frozenIn: CgroupTree | undefined;
}

/** The directory whose list of processes is complete: every process is in the accounting trees from birth. */
export function mainDirectory(state: GroupState): GroupDirectory | undefined {
  for (const name of ['pids', 'memory', 'cpuacct', 'io'] as const) {
    const tree = state.context.layout.serving(name);
    const directory = tree === undefined ? undefined : state.directories.get(tree);
    if (directory !== undefined) return directory;
  }
  return [...state.directories.values()][0];
}
