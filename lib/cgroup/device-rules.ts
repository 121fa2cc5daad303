import { CloisterError } from '../errors.js';
import type { DeviceRule } from './limits.js';

/** A device list without order: what the kernel keeps for v1, security/device_cgroup.c. */
export interface DeviceTable {
  /** What happens to a device that no exception matches. */
  readonly allowByDefault: boolean;
  readonly exceptions: readonly DeviceException[];
}

export interface DeviceException {
  readonly type: 'b' | 'c';
  readonly major: number | undefined;
  readonly minor: number | undefined;
  /** A subset of `rwm`, in this order. */
  readonly access: string;
}

const char = (major: number, minor?: number): DeviceRule => ({
  allow: true,
  type: 'c',
  major,
  ...(minor === undefined ? {} : { minor }),
  access: 'rwm',
});

/**
 * What a container may open by default: make any device node, use the harmless ones.
 * @see https://github.com/moby/moby/blob/master/daemon/pkg/oci/defaults.go and the OCI runtime specification, "Default Devices"
 */
export const DEFAULT_DEVICE_RULES: readonly DeviceRule[] = [
  { allow: false, type: 'a', access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  char(1, 3), // null
  char(1, 5), // zero
  char(1, 7), // full
  char(1, 8), // random
  char(1, 9), // urandom
  char(5, 0), // tty
  char(5, 1), // console
  char(5, 2), // ptmx
  char(136), // pts/*
];

const keyOf = ({ type, major, minor }: DeviceRule): string => `${type} ${major ?? '*'}:${minor ?? '*'}`;

const sorted = (access: Iterable<string>): string => {
  const set = new Set(access);
  return ['r', 'w', 'm'].filter((letter) => set.has(letter)).join('');
};

const overlaps = (a: DeviceRule, b: DeviceException): boolean =>
  a.type === b.type &&
  (a.major === undefined || b.major === undefined || a.major === b.major) &&
  (a.minor === undefined || b.minor === undefined || a.minor === b.minor) &&
  [...a.access].some((letter) => b.access.includes(letter));

/** Takes access out of the exception with the same numbers; a partly overlapping one cannot be expressed, and silence would be wrong. */
function withdraw(exceptions: Map<string, DeviceException>, rule: DeviceRule): void {
  const key = keyOf(rule);
  for (const [otherKey, other] of exceptions) {
    if (otherKey === key || !overlaps(rule, other)) continue;
    throw new CloisterError(
      'ERR_INVALID_OPTION',
      `devices: "${key} ${rule.access}" partly takes back "${otherKey} ${other.access}"`,
      {
        subject: 'devices',
        hint: 'name each device in rules with the same numbers, or leave the wider rule out',
      },
    );
  }
  const left = [...(exceptions.get(key)?.access ?? '')].filter((letter) => !rule.access.includes(letter));
  if (left.length === 0) exceptions.delete(key);
  else exceptions.set(key, { ...exceptionOf(rule), access: sorted(left) });
}

function exceptionOf(rule: DeviceRule): DeviceException {
  return { type: rule.type === 'b' ? 'b' : 'c', major: rule.major, minor: rule.minor, access: sorted(rule.access) };
}

/**
 * Applies rules in order, as v1's `devices.allow` and `devices.deny` would, so that both versions decide alike.
 * @throws `ERR_INVALID_OPTION` for a rule that takes back part of another one.
 */
export function deviceTable(rules: readonly DeviceRule[]): DeviceTable {
  let allowByDefault = false;
  const exceptions = new Map<string, DeviceException>();
  for (const rule of rules) {
    if (rule.type === 'a') {
      allowByDefault = rule.allow;
      exceptions.clear();
    } else if (rule.allow === allowByDefault) {
      withdraw(exceptions, rule);
    } else {
      const key = keyOf(rule);
      exceptions.set(key, { ...exceptionOf(rule), access: sorted((exceptions.get(key)?.access ?? '') + rule.access) });
    }
  }
  return { allowByDefault, exceptions: [...exceptions.values()] };
}

/** The writes that give a v1 group this table. `a` replaces the whole list, whatever it was. */
export function v1DeviceLines(table: DeviceTable): { file: string; value: string }[] {
  const [whole, single] = table.allowByDefault ? ['devices.allow', 'devices.deny'] : ['devices.deny', 'devices.allow'];
  const lines = table.exceptions.map(({ type, major, minor, access }) => ({
    file: single,
    value: `${type} ${major ?? '*'}:${minor ?? '*'} ${access}`,
  }));
  return [{ file: whole, value: 'a' }, ...lines];
}
