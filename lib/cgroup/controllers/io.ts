import type { CgroupLimits, IoLimits } from '../limits.js';
import type { CgroupUsage } from '../usage.js';
import type { Controller, FileNeed, ReadFile, Step } from './controller.js';

type Rate = 'readBps' | 'writeBps' | 'readIops' | 'writeIops';

const RATES: readonly { rate: Rate; v1: string; v2: string }[] = [
  { rate: 'readBps', v1: 'blkio.throttle.read_bps_device', v2: 'rbps' },
  { rate: 'writeBps', v1: 'blkio.throttle.write_bps_device', v2: 'wbps' },
  { rate: 'readIops', v1: 'blkio.throttle.read_iops_device', v2: 'riops' },
  { rate: 'writeIops', v1: 'blkio.throttle.write_iops_device', v2: 'wiops' },
];

/** BFQ's weights go from 1 to 1000 and are 100 by default; v2's go from 1 to 10000 around the same default. */
export function bfqWeight(weight: number): number {
  return weight <= 100 ? weight : Math.round(100 + ((weight - 100) * 900) / 9900);
}

function rateOf(io: IoLimits | undefined, device: string, rate: Rate): number {
  return io?.device === device ? (io[rate] ?? Infinity) : Infinity;
}

function rateSteps(version: 1 | 2, device: string, to: CgroupLimits, from?: CgroupLimits): Step[] {
  const changed = RATES.filter(({ rate }) => rateOf(to.io, device, rate) !== rateOf(from?.io, device, rate));
  if (changed.length === 0) return [];
  const text = (rate: Rate, unlimited: string): string => {
    const value = rateOf(to.io, device, rate);
    return value === Infinity ? unlimited : String(value);
  };
  if (version === 2) {
    const pairs = changed.map(({ rate, v2 }) => `${v2}=${text(rate, 'max')}`);
    return [{ limit: 'io', file: 'io.max', value: `${device} ${pairs.join(' ')}` }];
  }
  return changed.map(({ rate, v1 }) => ({ limit: 'io', file: v1, value: `${device} ${text(rate, '0')}` }));
}

/** `to.io.device` is filled in by then (`resolveIoDevice`). */
function steps(version: 1 | 2, to: CgroupLimits, from?: CgroupLimits): Step[] {
  const devices = new Set([to.io?.device, from?.io?.device].filter((device) => device !== undefined));
  const result = [...devices].flatMap((device) => rateSteps(version, device, to, from));
  const weight = to.io?.weight;
  return weight === undefined || weight === from?.io?.weight ? result : [...result, ...weightSteps(version, weight)];
}

/** Which of the two mechanisms acts is a property of the disk, not of the group: both get the weight. */
function weightSteps(version: 1 | 2, weight: number): Step[] {
  const bfq = String(bfqWeight(weight));
  if (version === 1) return [{ limit: 'io', file: 'blkio.bfq.weight', value: bfq, optional: true }];
  return [
    { limit: 'io', file: 'io.bfq.weight', value: bfq, optional: true },
    { limit: 'io', file: 'io.weight', value: `default ${weight}`, optional: true },
  ];
}

function needs(version: 1 | 2, limits: CgroupLimits): FileNeed[] {
  if (!RATES.some(({ rate }) => limits.io?.[rate] !== undefined)) return [];
  const file = version === 1 ? 'blkio.throttle.read_bps_device' : 'io.max';
  return [{ limit: 'io', file, remedy: 'use a kernel with CONFIG_BLK_DEV_THROTTLING' }];
}

type Stacked = (device: string) => boolean;

/** The same bytes pass through a stacked device and the disk below it: they count once, at the bottom. */
function sumLines(text: string, isStacked: Stacked, bytesOf: (fields: string[]) => number): number {
  let sum = 0;
  for (const line of text.split('\n')) {
    const [device, ...fields] = line.split(' ');
    if (device?.includes(':') === true && !isStacked(device)) sum += bytesOf(fields);
  }
  return sum;
}

/** `8:0 Read 4096` */
const v1Bytes =
  (operation: string) =>
  ([kind, bytes]: string[]): number =>
    kind === operation ? Number(bytes) : 0;

/** `8:0 rbytes=4096 wbytes=0 …` */
const v2Bytes =
  (key: string) =>
  (fields: string[]): number =>
    Number(fields.find((field) => field.startsWith(`${key}=`))?.slice(key.length + 1) ?? 0);

function usage(version: 1 | 2, read: ReadFile, isStacked: Stacked): Partial<CgroupUsage> {
  // On v1 not the `_recursive` twin: it forgets a removed child sooner or later. The group adds its children up itself.
  const text = read(version === 1 ? 'blkio.throttle.io_service_bytes' : 'io.stat');
  if (text === undefined) return {};
  const [reads, writes] = version === 1 ? [v1Bytes('Read'), v1Bytes('Write')] : [v2Bytes('rbytes'), v2Bytes('wbytes')];
  return { ioReadBytes: sumLines(text, isStacked, reads), ioWriteBytes: sumLines(text, isStacked, writes) };
}

/** @see https://docs.kernel.org/admin-guide/cgroup-v1/blkio-controller.html */
export const io: Controller = { name: 'io', isAccounting: true, limits: ['io'], needs, steps, usage };
