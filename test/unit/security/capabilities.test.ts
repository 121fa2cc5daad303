import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  CAPABILITIES,
  capabilitiesOf,
  capabilityMask,
  capabilityName,
  grantedCapabilities,
  PROFILE_CAPABILITIES,
  type Capability,
} from '../../../lib/security/capabilities.js';

test('the numbers are the kernel’s', () => {
  const names: Capability[] = [
    'CAP_CHOWN', 'CAP_KILL', 'CAP_SETPCAP', 'CAP_NET_RAW', 'CAP_SYS_ADMIN', 'CAP_MKNOD', 'CAP_SETFCAP', 'CAP_SYSLOG',
    'CAP_AUDIT_READ', 'CAP_CHECKPOINT_RESTORE',
  ]; // prettier-ignore
  expect(names.map((name) => CAPABILITIES.indexOf(name))).toEqual([0, 5, 8, 13, 21, 27, 31, 34, 37, 40]);
  expect(new Set(CAPABILITIES).size).toBe(41);
});

test('this kernel has none that is not in the list', () => {
  expect(Number(readFileSync('/proc/sys/kernel/cap_last_cap', 'latin1'))).toBeLessThan(CAPABILITIES.length);
});

test('masks there and back', () => {
  expect(capabilityMask([])).toBe(0n);
  expect(capabilityMask(['CAP_CHOWN', 'CAP_CHECKPOINT_RESTORE'])).toBe((1n << 40n) | 1n);
  expect(capabilitiesOf((1n << 40n) | 1n)).toEqual(['CAP_CHOWN', 'CAP_CHECKPOINT_RESTORE']);
  expect(capabilitiesOf(2n ** 64n - 1n)).toEqual([...CAPABILITIES]);
});

test.each<[string, string | undefined]>([
  ['NET_RAW', 'CAP_NET_RAW'],
  ['CAP_NET_RAW', 'CAP_NET_RAW'],
  ['cap_net_raw', 'CAP_NET_RAW'],
  ['net_raw', 'CAP_NET_RAW'],
  ['CAP_CAP_NET_RAW', undefined],
  ['NETRAW', undefined],
  ['', undefined],
  ['ALL', undefined],
])('%s', (name, found) => {
  expect(capabilityName(name)).toBe(found);
});

describe('what is granted', () => {
  test.each<[Parameters<typeof grantedCapabilities>, readonly string[]]>([
    [['strict', [], []], []],
    [['default', [], []], PROFILE_CAPABILITIES.default],
    [['privileged', [], []], CAPABILITIES],
    [['strict', ['CAP_KILL'], []], ['CAP_KILL']],
    [['strict', ['ALL'], []], CAPABILITIES],
    [['default', [], ['ALL']], []],
    [['privileged', [], ['ALL']], []],
    // Dropped first, then added: the order of the two lists in the options means nothing.
    [['default', ['CAP_KILL'], ['ALL']], ['CAP_KILL']],
    [['default', ['CAP_KILL'], ['CAP_KILL']], PROFILE_CAPABILITIES.default],
    [['default', ['ALL'], ['ALL']], CAPABILITIES],
    [['privileged', [], ['CAP_SYS_ADMIN']], CAPABILITIES.filter((name) => name !== 'CAP_SYS_ADMIN')],
    [['strict', [], ['CAP_KILL']], []],
  ])('%j', (args, expected) => {
    expect([...grantedCapabilities(...args)].sort()).toEqual([...expected].sort());
  });

  test('the profiles themselves stay as they are', () => {
    grantedCapabilities('default', ['ALL'], []);
    expect(PROFILE_CAPABILITIES.default).toHaveLength(11);
    expect(PROFILE_CAPABILITIES.strict).toEqual([]);
  });
});
