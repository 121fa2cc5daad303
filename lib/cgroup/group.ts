import { posix } from 'node:path';
import { CloisterError } from '../errors.js';
import { checkLimits, resolveIoDevice, unmetLimitsError } from './check.js';
import { freezeGroup, thawGroup } from './freeze.js';
import type { GroupState } from './group-state.js';
import { killGroup } from './kill.js';
import type { CgroupLimits } from './limits.js';
import { makeGroup } from './make.js';
import type { Cgroup, CgroupEntry } from './manager.js';
import { discardGroup, removeGroup } from './remove.js';
import { listProcesses, readUsage } from './report.js';
import { takeSample } from './sample.js';
import { Stock } from './stock.js';
import { updateLimits } from './update.js';
import type { CgroupSample, CgroupUsage } from './usage.js';

/** A sandbox that runs commands keeps a group ahead for the next one, a few when they come in bursts. */
const SPARES = { min: 1, max: 8 };

/** JSON has no `Infinity`. */
const keyOf = (limits: CgroupLimits): string =>
  JSON.stringify(limits, (_, value: unknown) => (value === Infinity ? 'max' : value));
const limitsOf = (key: string): CgroupLimits =>
  JSON.parse(key, (_, value: unknown) => (value === 'max' ? Infinity : value)) as CgroupLimits;

function entryOf(state: GroupState): CgroupEntry {
  const directories = [...state.directories.values()];
  const unified = directories.find(({ tree }) => tree.version === 2);
  return {
    directory: unified?.entryFd,
    tasks: directories.filter(({ tree }) => tree.version === 1).map(({ entryFd }) => entryFd),
  };
}

/** Lets that user clone processes from the group above into this one. */
function delegate(state: GroupState, uid: number | undefined): void {
  if (uid === undefined) return;
  try {
    for (const { tree, path } of state.directories.values()) {
      if (tree.version === 2) state.context.files.chown(posix.join(path, 'cgroup.procs'), uid);
    }
  } catch (error) {
    discardGroup(state);
    throw error;
  }
}

/** The one implementation of `Cgroup`: the differences between v1, v2 and their mixtures are in its plan. */
export class KernelCgroup implements Cgroup {
  readonly name: string;
  readonly entry: CgroupEntry;
  readonly #state: GroupState;
  readonly #spares: Stock<GroupState>;
  readonly #delegateUid: number | undefined;
  #nextChild = 1;

  /** @param delegateUid see `CreateCgroupOptions`. A failure removes the group. */
  constructor(state: GroupState, delegateUid?: number) {
    delegate(state, delegateUid);
    this.#delegateUid = delegateUid;
    this.name = state.name;
    this.entry = entryOf(state);
    this.#state = state;
    this.#spares = new Stock({
      ...SPARES,
      make: (key) => this.#makeChild(limitsOf(key)),
      discard: discardGroup,
    });
  }

  child(limits: CgroupLimits = {}): Cgroup {
    const { context, role, name, children } = this.#state;
    if (role === 'command') {
      throw new CloisterError(
        'ERR_SANDBOX_STATE',
        `control group ${name} belongs to one command and has no groups below`,
        {
          hint: "create the group with the role 'sandbox'",
        },
      );
    }
    const requested = resolveIoDevice(context, limits);
    const unmet = checkLimits(context, requested);
    if (unmet.length > 0) throw unmetLimitsError(unmet);
    const child = this.#spares.take(keyOf(requested)) ?? this.#makeChild(requested);
    children.add(child);
    return new KernelCgroup(child, this.#delegateUid);
  }

  usage(): CgroupUsage {
    return readUsage(this.#state);
  }

  sample(before?: CgroupSample): CgroupSample {
    return takeSample(this.#state, before);
  }

  processes(): number[] {
    return listProcesses(this.#state);
  }

  update(changes: CgroupLimits): void {
    updateLimits(this.#state, changes);
    // They were made for the limits before.
    this.#spares.clear();
  }

  freeze(): Promise<void> {
    return freezeGroup(this.#state);
  }

  async thaw(): Promise<void> {
    thawGroup(this.#state);
  }

  kill(): Promise<void> {
    return killGroup(this.#state);
  }

  remove(): Promise<void> {
    this.#spares.close();
    return removeGroup(this.#state);
  }

  #makeChild(requested: CgroupLimits): GroupState {
    return makeGroup(this.#state.context, {
      name: `${this.#nextChild++}`,
      role: 'command',
      requested,
      parent: this.#state,
    });
  }
}
