import { basename } from 'node:path';
import { invalidOption } from '../errors.js';
import { DEFAULT_DEVICE_RULES } from '../cgroup/device-rules.js';
import type { DeviceRule } from '../cgroup/limits.js';
import type { DeviceNode } from '../native/plan.js';
import { DEVICE_NODES } from '../security/kernel-paths.js';
import {
  checkBoolean,
  checkChoice,
  checkInteger,
  checkList,
  checkObject,
  checkPath,
  checkText,
  lookAt,
} from './check.js';

interface Device {
  readonly node: DeviceNode;
  readonly rule: DeviceRule;
}

/** Other file systems are mounted there. */
const COVERED = /^\/dev\/(pts|shm|mqueue)(\/|$)/;

/** `stat.rdev` in two parts, makedev(3). */
function deviceNumbers(rdev: number): { major: number; minor: number } {
  const device = BigInt(rdev);
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn);
  return { major: Number(major), minor: Number(minor & 0xffff_ffffn) };
}

function checkAccess(option: string, value: unknown, absent: string): string {
  const access = checkText(option, value, absent);
  if (!/^(?!.*(.).*\1)[rwm]{1,3}$/.test(access))
    throw invalidOption(option, "any of 'r', 'w' and 'm', each once", value);
  return access;
}

function checkDevice(option: string, value: unknown): Device {
  const fields = typeof value === 'string' ? { path: value } : checkObject(option, value, ['path', 'target', 'access']);
  const path = checkPath(`${option}.path`, fields['path' as never]);
  const target = checkPath(`${option}.target`, fields['target' as never] ?? path);
  if (!target.startsWith('/dev/') || COVERED.test(target)) {
    throw invalidOption(
      `${option}.target`,
      'a path below /dev, but not below /dev/pts, /dev/shm or /dev/mqueue',
      target,
    );
  }
  const about = lookAt(`${option}.path`, path);
  const isBlock = about?.isBlockDevice() === true;
  if (about === undefined || (!isBlock && !about.isCharacterDevice())) {
    throw invalidOption(`${option}.path`, `a device of the host, such as ${basename(path)} is not`, path);
  }
  const numbers = deviceNumbers(about.rdev);
  const access = checkAccess(`${option}.access`, fields['access' as never], 'rw');
  return {
    node: { path: target.slice('/dev/'.length), kind: isBlock ? 'block' : 'char', ...numbers, mode: 0o666 },
    rule: { allow: true, type: isBlock ? 'b' : 'c', ...numbers, access },
  };
}

function checkRule(option: string, value: unknown): DeviceRule {
  const rule = checkObject(option, value, ['allow', 'type', 'major', 'minor', 'access']);
  const major = checkInteger(`${option}.major`, rule['major'], [0, 2 ** 32 - 1], undefined);
  const minor = checkInteger(`${option}.minor`, rule['minor'], [0, 2 ** 32 - 1], undefined);
  return {
    allow: checkBoolean(`${option}.allow`, rule['allow'], true),
    type: checkChoice(`${option}.type`, rule['type'], ['a', 'b', 'c'], 'a'),
    ...(major === undefined ? {} : { major }),
    ...(minor === undefined ? {} : { minor }),
    access: checkAccess(`${option}.access`, rule['access'], 'rwm'),
  };
}

/**
 * Nodes in `/dev` and, only where devices are asked for, rules for the device controller. Without any, a sandbox cannot
 * make a node (its user namespace may not) nor open one from elsewhere (every other mount is `nodev`).
 */
export function checkDevices(
  devices: unknown,
  rules: unknown,
): { nodes: readonly DeviceNode[]; rules: readonly DeviceRule[] | undefined } {
  const own = checkList('devices', devices, checkDevice);
  const extra = checkList('deviceRules', rules, checkRule);
  const paths = new Set(DEVICE_NODES.map(({ path }) => path));
  for (const { path } of own.map(({ node }) => node)) {
    if (paths.has(path)) throw invalidOption('devices', 'one device for each path', `/dev/${path}`);
    paths.add(path);
  }
  if (own.length === 0 && extra.length === 0) return { nodes: DEVICE_NODES, rules: undefined };
  return {
    nodes: [...DEVICE_NODES, ...own.map(({ node }) => node)],
    rules: [...DEFAULT_DEVICE_RULES, ...own.map(({ rule }) => rule), ...extra],
  };
}
