import { type ControllerName, kernelName, type MountedHierarchy } from './hierarchy.js';
import { CgroupTree, type OwnerDirectoryMaker } from './tree.js';

/** Why no usable hierarchy has a controller. */
export interface MissingController {
  readonly reason: string;
  readonly remedy: string;
}

/** Which tree of groups serves which controller on this host: all in one on v2, one each on v1, any mixture on a hybrid. */
export class CgroupLayout {
  /** @param refusals what could not be used, and why. */
  constructor(
    readonly trees: readonly CgroupTree[],
    readonly refusals: readonly string[],
  ) {}

  get kind(): 'v1' | 'v2' | 'hybrid' {
    const versions = new Set(this.trees.map(({ version }) => version));
    return versions.size === 2 ? 'hybrid' : versions.has(2) ? 'v2' : 'v1';
  }

  get unified(): CgroupTree | undefined {
    return this.trees.find(({ version }) => version === 2);
  }

  serving(controller: ControllerName): CgroupTree | undefined {
    const tree = this.trees.find((candidate) => candidate.has(controller));
    // Every v2 group has processor times, whichever controllers are on.
    return tree ?? (controller === 'cpuacct' ? this.unified : undefined);
  }

  explainMissing(controller: ControllerName): MissingController {
    const refusals = this.refusals.length === 0 ? '' : ` (${this.refusals.join('; ')})`;
    return {
      reason: `no usable cgroup hierarchy has the ${controller} controller${refusals}`,
      remedy:
        `let the application's own group have it (systemd: Delegate=yes), mount it (mount -t cgroup -o ${kernelName(controller, 1)}), ` +
        `or boot with cgroup_enable=${kernelName(controller, 1)} if /proc/cgroups says it is off`,
    };
  }
}

/** The places to try in a hierarchy: its root, then the process's own group. */
function basesOf(hierarchy: MountedHierarchy): string[] {
  return [...new Set(['/', hierarchy.ownGroup ?? '/'])];
}

/** The first base that gives everything, else the first that works at all. */
function openTree(
  hierarchy: MountedHierarchy,
  owner: string,
  maker: OwnerDirectoryMaker,
): { tree?: CgroupTree; refusals: string[] } {
  const refusals: string[] = [];
  const usable: CgroupTree[] = [];
  for (const base of basesOf(hierarchy)) {
    try {
      const tree = CgroupTree.open(hierarchy, base, owner, maker);
      usable.push(tree);
      refusals.push(...tree.refusals());
      if (tree.refusals().length === 0) break;
    } catch (error) {
      refusals.push(error instanceof Error ? error.message : String(error));
    }
  }
  const best = usable.find((tree) => tree.refusals().length === 0) ?? usable[0];
  if (best === undefined) return { refusals };
  for (const tree of usable) if (tree !== best) tree.close();
  return { tree: best, refusals: [...best.refusals()] };
}

/** Makes this owner's directory in every hierarchy where that is possible. */
export function openLayout(
  hierarchies: readonly MountedHierarchy[],
  owner: string,
  maker: OwnerDirectoryMaker,
): CgroupLayout {
  const opened = hierarchies.map((hierarchy) => openTree(hierarchy, owner, maker));
  return new CgroupLayout(
    opened.flatMap(({ tree }) => (tree === undefined ? [] : [tree])),
    opened.flatMap(({ refusals }) => refusals),
  );
}
