import type { CgroupLimits } from '../cgroup/limits.js';
import type { Cgroup, CgroupEntry } from '../cgroup/manager.js';
import type { IdMapEntry } from '../native/plan.js';
import type { IdRange } from '../security/id-ranges.js';
import type { Services } from './services.js';
import type { SandboxSpec } from './spec.js';

const NO_GROUP: CgroupEntry = { directory: undefined, tasks: [] };

interface IdMaps {
  readonly uidMap: readonly IdMapEntry[];
  readonly gidMap: readonly IdMapEntry[];
}

function mapsOf({ ids }: SandboxSpec, range: IdRange | undefined): IdMaps {
  if (ids.kind === 'map') return { uidMap: ids.uids, gidMap: ids.gids };
  const map = range?.map ?? [];
  return { uidMap: map, gidMap: map };
}

/** What a sandbox has of the host from before its first process until after its last one: an id range and a control group. */
export class SandboxResources {
  readonly maps: IdMaps;
  readonly cgroup: Cgroup;
  /**
   * v1 moves a process into a group without delay, so that the one command of a sandbox can be there by itself. v2 moves none
   * quickly: init has to be cloned into the group. In a living sandbox all commands are to inherit from init.
   */
  readonly #isInitInGroup: boolean;
  readonly #range: IdRange | undefined;
  readonly #deferred: (() => Promise<void> | void)[] = [];

  private constructor(services: Services, spec: SandboxSpec, isOneShot: boolean) {
    this.#isInitInGroup = !isOneShot || services.cgroups.kind === 'v2';
    this.#range = spec.ids.kind === 'auto' ? services.ids.take() : undefined;
    try {
      this.maps = mapsOf(spec, this.#range);
      const defaults = services.cgroups.kind === 'disabled' ? {} : spec.defaultLimits;
      const delegateUid = this.maps.uidMap.find(({ inside }) => inside === 0)?.outside;
      const role = isOneShot ? 'command' : 'sandbox';
      this.cgroup = services.cgroups.create(this.#besideInit({ ...defaults, ...spec.cgroup }), { role, delegateUid });
    } catch (error) {
      this.#range?.[Symbol.dispose]();
      throw error;
    }
  }

  /** Synchronous; a failure leaves nothing behind. */
  static take(services: Services, spec: SandboxSpec, isOneShot: boolean): SandboxResources {
    return new SandboxResources(services, spec, isOneShot);
  }

  /** Where init goes. */
  get initEntry(): CgroupEntry {
    return this.#isInitInGroup ? this.cgroup.entry : NO_GROUP;
  }

  /** Whether this group holds init itself, not only what is below. */
  holdsInit(group: Cgroup): boolean {
    return this.#isInitInGroup && group === this.cgroup;
  }

  update(changes: CgroupLimits): void {
    this.cgroup.update(this.#besideInit(changes));
  }

  /** Adds what has to be undone when the sandbox has ended. */
  defer(release: () => Promise<void> | void): void {
    this.#deferred.push(release);
  }

  /** In reverse order of acquisition. */
  async release(): Promise<void> {
    try {
      for (const release of this.#deferred.splice(0).reverse()) await release();
    } finally {
      this.#range?.[Symbol.dispose]();
      await this.cgroup.remove();
    }
  }

  /** `pids` counts the user's processes: where init is in the group, there is room for it. */
  #besideInit(limits: CgroupLimits): CgroupLimits {
    return limits.pids === undefined || !this.#isInitInGroup ? limits : { ...limits, pids: limits.pids + 1 };
  }
}
