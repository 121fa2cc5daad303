import { CONTROLLERS } from './controllers/index.js';
import type { Step } from './controllers/controller.js';
import type { ControllerName } from './hierarchy.js';
import type { CgroupLayout } from './layout.js';
import type { CgroupLimits } from './limits.js';
import type { CgroupRole } from './manager.js';
import type { CgroupTree } from './tree.js';

/** One directory of a group to be made. */
export interface PlannedDirectory {
  readonly tree: CgroupTree;
  readonly steps: readonly Step[];
  /** v2: controllers for the groups below. */
  readonly passOn: readonly ControllerName[];
  /** v2: a group that passes controllers on holds no process itself, so its first process goes to a group `init` below. */
  readonly hasInit: boolean;
}

/**
 * v2: when one process of a command is killed for memory, all of them are: half a command is of no use to anyone.
 * Only in a group that is the command's alone: init, which is to tell how it ended, would be killed as well.
 */
const OOM_GROUP: Step = { limit: 'memoryBytes', file: 'memory.oom.group', value: '1', optional: true };

const ACCOUNTING = CONTROLLERS.filter(({ isAccounting }) => isAccounting).map(({ name }) => name);

function isWanted(limits: CgroupLimits, names: readonly (keyof CgroupLimits)[]): boolean {
  return names.some((name) => limits[name] !== undefined);
}

/**
 * The trees in which a group has a directory, and what is written there. A tree that nothing asks for is left out: it is not free.
 * @param isChild whether it is below a sandbox's group, which holds init.
 */
export function planGroup(
  layout: CgroupLayout,
  role: CgroupRole,
  limits: CgroupLimits,
  isChild: boolean,
): PlannedDirectory[] {
  const steps = new Map<CgroupTree, Step[]>();
  for (const controller of CONTROLLERS) {
    if (!controller.isAccounting && !isWanted(limits, controller.limits)) continue;
    const tree = layout.serving(controller.name) ?? (controller.name === 'devices' ? layout.unified : undefined);
    if (tree === undefined) continue;
    const own = steps.get(tree) ?? [];
    own.push(...controller.steps(tree.version, limits));
    steps.set(tree, own);
  }
  return [...steps].map(([tree, own]) => {
    const accounts = ACCOUNTING.filter((name) => layout.serving(name) === tree);
    const hasInit = tree.version === 2 && role === 'sandbox' && accounts.length > 0;
    const oomGroup = tree.version === 2 && isChild && tree.has('memory') ? [OOM_GROUP] : [];
    const passOn = hasInit ? accounts.filter((name) => tree.isEnabled(name)) : [];
    return { tree, steps: [...own, ...oomGroup], passOn, hasInit };
  });
}

/**
 * The limits of a command's group below a sandbox.
 *
 * Since Linux 6.10 v2 counts a refused fork in the group whose limit it was. So the command repeats the sandbox's limit, less the
 * one process that the sandbox's `init` group holds: then a command that is alone reaches its own limit first, and the hit is
 * counted as its own. When several commands together reach the sandbox's limit, v2 does not tell which one was refused, and the
 * hit shows in the sandbox's usage only. v1 and older kernels count where the fork was refused; no limit is needed there.
 */
export function childLimits(layout: CgroupLayout, sandbox: CgroupLimits, own: CgroupLimits): CgroupLimits {
  const tree = layout.serving('pids');
  if (sandbox.pids === undefined || tree?.hasFile('pids.events.local') !== true) return own;
  return { ...own, pids: Math.min(own.pids ?? Infinity, Math.max(1, sandbox.pids - 1)) };
}
