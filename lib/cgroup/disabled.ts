import { CloisterError } from '../errors.js';
import { unmetLimitsError } from './check.js';
import type { CgroupLimits, LimitName, UnmetLimit } from './limits.js';
import type { Cgroup, CgroupManager } from './manager.js';
import { type CgroupSample, type CgroupUsage, UNKNOWN_USAGE } from './usage.js';

const REMEDY = 'run on a host whose cgroup hierarchies this process may write to, or ask for no limits';

/** A group that is not there: no limits, nothing known, nothing to remove. Ending processes is left to their pid namespace. */
class AbsentCgroup implements Cgroup {
  readonly name = 'none';
  readonly entry = { directory: undefined, tasks: [] };

  constructor(private readonly manager: DisabledCgroupManager) {}

  child(limits: CgroupLimits = {}): Cgroup {
    return this.manager.create(limits);
  }

  update(changes: CgroupLimits): void {
    this.manager.demandNothing(changes);
  }

  usage(): CgroupUsage {
    return UNKNOWN_USAGE;
  }

  sample(): CgroupSample {
    return { usage: UNKNOWN_USAGE, pressure: undefined, clock: undefined };
  }

  processes(): number[] {
    return [];
  }

  async freeze(): Promise<void> {
    throw new CloisterError('ERR_UNSUPPORTED', `cannot freeze: ${this.manager.reason}`, { hint: REMEDY });
  }

  async thaw(): Promise<void> {
    // Nothing was frozen.
  }

  async kill(): Promise<void> {
    // It holds no process.
  }

  async remove(): Promise<void> {
    // There is no directory.
  }
}

/** Does nothing, and refuses every limit: for hosts without usable control groups, when the caller allowed that by name. */
export class DisabledCgroupManager implements CgroupManager {
  readonly kind = 'disabled';

  /** @param reason why there are no control groups; it becomes part of every refusal. */
  constructor(readonly reason = 'control groups are switched off') {}

  create(limits: CgroupLimits): Cgroup {
    this.demandNothing(limits);
    return new AbsentCgroup(this);
  }

  /** @throws `ERR_LIMIT_UNSUPPORTED` for any limit. */
  demandNothing(limits: CgroupLimits): void {
    const unmet = this.check(limits);
    if (unmet.length > 0) throw unmetLimitsError(unmet);
  }

  check(limits: CgroupLimits): readonly UnmetLimit[] {
    return (Object.keys(limits) as LimitName[])
      .filter((limit) => limits[limit] !== undefined && limits[limit] !== Infinity)
      .map((limit) => ({ limit, controller: 'none', reason: this.reason, remedy: REMEDY }));
  }

  ownerDirectories(): readonly string[] {
    return [];
  }

  async sweep(): Promise<readonly string[]> {
    return [];
  }

  dispose(): void {
    // It holds nothing.
  }
}
