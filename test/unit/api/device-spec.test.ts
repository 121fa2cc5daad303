import { describe, expect, test } from 'vitest';
import { checkDevices } from '../../../lib/api/device-spec.js';
import { DEFAULT_DEVICE_RULES } from '../../../lib/cgroup/device-rules.js';
import { DEVICE_NODES } from '../../../lib/security/kernel-paths.js';
import { refusal } from '../../support/refusal.js';

describe('devices', () => {
  test('without any there are the usual nodes, and no rule that a controller would be needed for', () => {
    expect(checkDevices(undefined, undefined)).toEqual({ nodes: DEVICE_NODES, rules: undefined });
    expect(checkDevices([], [])).toEqual({ nodes: DEVICE_NODES, rules: undefined });
  });

  test('one more, as it is on the host', () => {
    const { nodes, rules } = checkDevices([{ path: '/dev/null', target: '/dev/void', access: 'wr' }], undefined);
    expect(nodes.slice(DEVICE_NODES.length)).toEqual([{ path: 'void', kind: 'char', major: 1, minor: 3, mode: 0o666 }]);
    expect(rules).toEqual([...DEFAULT_DEVICE_RULES, { allow: true, type: 'c', major: 1, minor: 3, access: 'wr' }]);
  });

  test('below a directory', () => {
    const { nodes } = checkDevices([{ path: '/dev/zero', target: '/dev/mapper//z/' }], undefined);
    expect(nodes.at(-1)).toMatchObject({ path: 'mapper/z', major: 1, minor: 5 });
  });

  test.each<[unknown, string]>([
    ['/dev/null', 'devices'],
    [[5], 'devices[0]'],
    [['/dev/no-such-device'], 'devices[0].path'],
    [['/etc/passwd'], 'devices[0].target'],
    [[{ path: '/etc/passwd', target: '/dev/x' }], 'devices[0].path'],
    [[{ path: '/dev', target: '/dev/x' }], 'devices[0].path'],
    [['dev/null'], 'devices[0].path'],
    [[{ path: '/dev/null', target: '/null' }], 'devices[0].target'],
    [[{ path: '/dev/null', target: '/dev/' }], 'devices[0].target'],
    [[{ path: '/dev/null', target: '/dev/../x' }], 'devices[0].target'],
    [[{ path: '/dev/null', target: '/dev/pts/0' }], 'devices[0].target'],
    [[{ path: '/dev/null', target: '/dev/shm' }], 'devices[0].target'],
    [[{ path: '/dev/null', target: '/dev/./mqueue/x' }], 'devices[0].target'],
    [[{ path: '/dev/null', target: '/dev/x', access: '' }], 'devices[0].access'],
    [[{ path: '/dev/null', target: '/dev/x', access: 'rr' }], 'devices[0].access'],
    [[{ path: '/dev/null', target: '/dev/x', access: 'rwx' }], 'devices[0].access'],
    [[{ path: '/dev/null', target: '/dev/x', mode: 0o600 }], 'devices[0].mode'],
    [['/dev/null'], 'devices'],
    [
      [
        { path: '/dev/zero', target: '/dev/x' },
        { path: '/dev/full', target: '/dev/x' },
      ],
      'devices',
    ],
  ])('%j is refused at %s', (devices, subject) => {
    expect(refusal(() => checkDevices(devices, undefined))).toMatchObject({ code: 'ERR_INVALID_OPTION', subject });
  });
});

describe('rules of the controller', () => {
  test('come after the defaults and the devices', () => {
    const rules = [{ type: 'c', major: 10, access: 'r' }, { allow: false }];
    expect(checkDevices([], rules)).toEqual({
      nodes: DEVICE_NODES,
      rules: [
        ...DEFAULT_DEVICE_RULES,
        { allow: true, type: 'c', major: 10, access: 'r' },
        { allow: false, type: 'a', access: 'rwm' },
      ],
    });
  });

  test.each<[unknown, string]>([
    [{}, 'deviceRules'],
    [['c 1:3 rwm'], 'deviceRules[0]'],
    [[{ kind: 'c' }], 'deviceRules[0].kind'],
    [[{ allow: 'yes' }], 'deviceRules[0].allow'],
    [[{ type: 'u' }], 'deviceRules[0].type'],
    [[{ major: -1 }], 'deviceRules[0].major'],
    [[{ minor: 2 ** 32 }], 'deviceRules[0].minor'],
    [[{ access: 'mm' }], 'deviceRules[0].access'],
  ])('%j is refused at %s', (rules, subject) => {
    expect(refusal(() => checkDevices([], rules))).toMatchObject({ code: 'ERR_INVALID_OPTION', subject });
  });
});
