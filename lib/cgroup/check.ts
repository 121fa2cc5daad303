import { posix } from 'node:path';
import { CloisterError } from '../errors.js';
import { CONTROLLERS } from './controllers/index.js';
import type { Controller } from './controllers/controller.js';
import type { GroupContext } from './context.js';
import { kernelName } from './hierarchy.js';
import type { CgroupLimits, LimitName, UnmetLimit } from './limits.js';

/** Fills in the disk that I/O limits are about: given or by default, a partition stands for its disk. */
export function resolveIoDevice(context: GroupContext, limits: CgroupLimits): CgroupLimits {
  if (limits.io === undefined) return limits;
  const { device: given, ...io } = limits.io;
  const device = given === undefined ? context.ioDevice() : (context.disks.whole(given) ?? given);
  return { ...limits, io: device === undefined ? io : { ...io, device } };
}

function unmet(limit: LimitName, controller: string, reason: string, remedy: string): UnmetLimit {
  return { limit, controller, reason, remedy };
}

function checkDevices(context: GroupContext): UnmetLimit[] {
  if (context.layout.serving('devices') !== undefined) return [];
  if (context.layout.unified !== undefined && context.attachDeviceFilter !== undefined) return [];
  const { reason, remedy } = context.layout.explainMissing('devices');
  return [unmet('devices', 'devices', reason, remedy)];
}

function checkIo(context: GroupContext, limits: CgroupLimits, version: 1 | 2): UnmetLimit[] {
  const { device, weight } = limits.io ?? {};
  const fail = (reason: string, remedy: string): UnmetLimit[] => [
    unmet('io', kernelName('io', version), reason, remedy),
  ];
  if (device === undefined) {
    return fail(
      'the state directory is not on one disk',
      "name the disk: io: { device: 'MAJ:MIN' }, as lsblk prints it",
    );
  }
  if (weight === undefined || context.disks.usesBfq(device) || usesIocost(context, device)) return [];
  return fail(
    `disk ${device} uses neither the bfq scheduler nor iocost, nothing honours weights there`,
    `echo bfq > /sys/dev/block/${device}/queue/scheduler`,
  );
}

/** `io.cost.qos` exists in v2's root only: `8:0 enable=1 …` */
function usesIocost({ layout, files }: GroupContext, device: string): boolean {
  const tree = layout.serving('io');
  if (tree?.version !== 2) return false;
  try {
    return files.read(posix.join(tree.basePath, 'io.cost.qos')).includes(`${device} enable=1`);
  } catch {
    return false;
  }
}

function checkController(
  context: GroupContext,
  controller: Controller,
  limits: CgroupLimits,
  asked: LimitName[],
): UnmetLimit[] {
  const { layout } = context;
  const tree = layout.serving(controller.name);
  if (tree === undefined) {
    const { reason, remedy } = layout.explainMissing(controller.name);
    return asked.map((limit) => unmet(limit, kernelName(controller.name, 1), reason, remedy));
  }
  const name = kernelName(controller.name, tree.version);
  const refusal = tree.enable(controller.name);
  if (refusal !== undefined) {
    const remedy =
      'run the application in a group that was delegated to it (systemd: Delegate=yes) and holds no process itself';
    return asked.map((limit) => unmet(limit, name, refusal, remedy));
  }
  const result = controller
    .needs(tree.version, limits)
    .filter(({ file }) => !tree.hasFile(file))
    .map(({ limit, file, remedy }) => unmet(limit, name, `this kernel has no ${file}`, remedy));
  if (controller.name === 'io') result.push(...checkIo(context, limits, tree.version));
  if (
    tree.version === 1 &&
    limits.swapBytes !== undefined &&
    limits.memoryBytes === undefined &&
    controller.name === 'memory'
  ) {
    result.push(unmet('swapBytes', name, 'v1 limits memory and swap together', 'give memoryBytes as well'));
  }
  return result;
}

/** What of `limits` this host cannot enforce. `limits` went through `resolveIoDevice`. */
export function checkLimits(context: GroupContext, limits: CgroupLimits): UnmetLimit[] {
  return CONTROLLERS.flatMap((controller) => {
    const asked = controller.limits.filter((limit) => limits[limit] !== undefined);
    if (asked.length === 0) return [];
    return controller.name === 'devices' ? checkDevices(context) : checkController(context, controller, limits, asked);
  });
}

/** The one error for any number of limits that cannot be enforced. */
export function unmetLimitsError(found: readonly UnmetLimit[]): CloisterError {
  const lines = found.map(
    ({ limit, controller, reason }) => `limit ${limit} cannot be enforced: ${reason} [${controller}]`,
  );
  return new CloisterError('ERR_LIMIT_UNSUPPORTED', lines.join('\n'), {
    subject: found.map(({ limit }) => limit).join(', '),
    hint: [...new Set(found.map(({ remedy }) => remedy))].join('; '),
  });
}
