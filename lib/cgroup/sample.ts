import { CONTROLLERS } from './controllers/index.js';
import { parseCount } from './controllers/controller.js';
import type { ControllerName } from './hierarchy.js';
import type { GroupDirectory } from './directory.js';
import type { GroupState } from './group-state.js';
import { readPressure } from './pressure.js';
import { readUsage } from './report.js';
import type { CgroupPressure, CgroupSample, CgroupUsage, Stall } from './usage.js';

function serving(state: GroupState, controller: ControllerName): GroupDirectory | undefined {
  const tree = state.context.layout.serving(controller);
  return tree === undefined ? undefined : state.directories.get(tree);
}

function readClock(state: GroupState): string | undefined {
  const directory = serving(state, 'cpuacct');
  return directory?.readOften(directory.tree.version === 1 ? 'cpuacct.usage' : 'cpu.stat');
}

/** Memory can be taken back from those that sleep; v2 counts what is written back on their behalf. */
function readRestless(state: GroupState): Partial<CgroupUsage> {
  const { context } = state;
  const memory = serving(state, 'memory');
  const bytes = memory?.readOften(memory.tree.version === 1 ? 'memory.usage_in_bytes' : 'memory.current');
  const io = serving(state, 'io');
  const written = CONTROLLERS.find(({ name }) => name === 'io');
  return {
    memoryCurrentBytes: parseCount(bytes),
    ...(io?.tree.version === 2
      ? written?.usage(
          2,
          (file) => io.read(file),
          (device) => context.disks.isStacked(device),
        )
      : {}),
  };
}

const isZero = (stall: Stall | undefined): boolean =>
  [stall?.some, stall?.full].every((share) => share === undefined || share.avg10 + share.avg60 + share.avg300 === 0);

/** Nobody has waited for anything lately, and only init is there, which waits for nothing that counts. */
function isAtRest(usage: CgroupUsage, pressure: CgroupPressure | undefined): boolean {
  return usage.pidsCurrent === 1 && [pressure?.cpu, pressure?.memory, pressure?.io].every(isZero);
}

/** Everything that `CgroupReport.sample` promises. */
export function takeSample(state: GroupState, before: CgroupSample | undefined): CgroupSample {
  // First: what runs while the rest is read shows in the next sample's.
  const clock = readClock(state);
  if (before === undefined || clock === undefined || clock !== before.clock) {
    return { clock, usage: readUsage(state), pressure: readPressure(state) };
  }
  const pressure = isAtRest(before.usage, before.pressure) ? before.pressure : readPressure(state);
  return { clock, usage: { ...before.usage, ...readRestless(state) }, pressure };
}
