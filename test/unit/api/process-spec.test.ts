import { describe, expect, test } from 'vitest';
import { checkProcess } from '../../../lib/api/process-spec.js';
import type { IdMapEntry } from '../../../lib/native/plan.js';
import type { SandboxIds } from '../../../lib/runtime/spec.js';
import { refusal } from '../../support/refusal.js';

const NO_LIMITS = { cpuTimeMs: Infinity, files: undefined, ids: { kind: 'auto' } } as const;
const check = (fields: Record<string, unknown>) => checkProcess(fields, NO_LIMITS);

describe('users, in the forms of an image’s User', () => {
  const ids = (uid: number, gid: number, groups: number[] = []): object => ({ kind: 'ids', uid, gid, groups });
  const name = (user: string, group: string, uid = 0): object => ({ kind: 'name', user, group, uid });

  test.each<[unknown, object | undefined]>([
    // The image's, or root.
    [undefined, undefined],
    [1000, ids(1000, 1000)],
    [65535, ids(65535, 65535)],
    ['1000', ids(1000, 1000)],
    ['1000:50', ids(1000, 50)],
    ['root', ids(0, 0)],
    ['root:root', ids(0, 0)],
    ['0', ids(0, 0)],
    ['root:staff', name('root', 'staff')],
    ['web', name('web', '')],
    ['web:staff', name('web', 'staff')],
    ['web:50', name('web', '50')],
    ['1000:staff', name('', 'staff', 1000)],
    ['user name', name('user name', '')],
    [{ uid: 5 }, ids(5, 5)],
    [{ uid: 5, gid: 6, groups: [7, 8] }, ids(5, 6, [7, 8])],
  ])('%j', (user, expected) => {
    expect(check({ user }).user).toEqual(expected);
  });

  test('what is no user at all is told every form', () => {
    expect(refusal(() => check({ user: null })).message).toContain("'name:group' or { uid, gid, groups }, got null");
  });

  test.each<[unknown, string]>([
    [-1, 'user'],
    [4294967295, 'user'],
    [1.5, 'user'],
    ['4294967295', 'user'],
    ['99999999999', 'user'],
    ['1000:4294967295', 'user'],
    ['', 'user'],
    [':', 'user'],
    [':50', 'user'],
    ['a:', 'user'],
    ['a:b:c', 'user'],
    ['a\0b', 'user'],
    [null, 'user'],
    [true, 'user'],
    [['root'], 'user'],
    [{ uid: 1, name: 'x' }, 'user.name'],
    [{ uid: -1 }, 'user.uid'],
    [{ uid: 1, gid: 'staff' }, 'user.gid'],
    [{ uid: 1, groups: 5 }, 'user.groups'],
    [{ uid: 1, groups: [1, -2] }, 'user.groups[1]'],
    [{ uid: 1, groups: Array.from({ length: 257 }, (_, gid) => gid) }, 'user.groups'],
  ])('%j is refused', (user, subject) => {
    expect(refusal(() => check({ user }))).toMatchObject({ code: 'ERR_INVALID_OPTION', subject });
  });
});

describe('ids that the sandbox does not have', () => {
  const map = (inside: number, count: number): IdMapEntry => ({ inside, outside: 100_000 + inside, count });
  const own: SandboxIds = { kind: 'map', uids: [map(0, 10), map(500, 1)], gids: [map(0, 5)] };
  const AUTO: SandboxIds = { kind: 'auto' };

  test.each<[SandboxIds, unknown, string, string, number]>([
    [AUTO, 70_000, 'user', '0 to 65535', 70_000],
    [AUTO, '65536', 'user', '0 to 65535', 65_536],
    [AUTO, '0:70000', 'user', '0 to 65535', 70_000],
    [AUTO, '70000:staff', 'user', '0 to 65535', 70_000],
    [AUTO, { uid: 70_000 }, 'user.uid', '0 to 65535', 70_000],
    [AUTO, { uid: 5, gid: 70_000 }, 'user.gid', '0 to 65535', 70_000],
    [AUTO, { uid: 5, groups: [1, 70_000] }, 'user.groups[1]', '0 to 65535', 70_000],
    [own, 10, 'user', '0 to 9, 500', 10],
    [own, 7, 'user', 'a group id that the sandbox has: 0 to 4', 7],
    [own, { uid: 500, gid: 5 }, 'user.gid', '0 to 4', 5],
  ])('%j: %j', (ids, user, subject, range, got) => {
    const error = refusal(() => checkProcess({ user }, { ...NO_LIMITS, ids }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', subject });
    expect(error.message).toContain(`${range}, got ${got}`);
    expect(error.hint).toContain('security.userNamespace');
  });

  test('those that it has', () => {
    expect(checkProcess({ user: { uid: 500, gid: 4 } }, { ...NO_LIMITS, ids: own }).user).toMatchObject({ uid: 500 });
    expect(checkProcess({ user: 4_294_967_294 }, { ...NO_LIMITS, ids: { kind: 'host' } }).user).toMatchObject({
      uid: 4_294_967_294,
    });
  });
});

test('maxOutput: Infinity takes the cap away, also for one command', () => {
  expect(check({ maxOutput: Infinity }).maxOutputBytes).toBe(Infinity);
  const sandbox = check({ maxOutput: 100 });
  expect(checkProcess({ maxOutput: Infinity }, NO_LIMITS, sandbox).maxOutputBytes).toBe(Infinity);
  expect(refusal(() => check({ maxOutput: -Infinity })).subject).toBe('maxOutput');
});

describe('rlimits', () => {
  test.each<[unknown, object]>([
    [{ nofile: 64 }, { nofile: { soft: 64, hard: 64 } }],
    [{ nofile: { soft: 10, hard: 20 } }, { nofile: { soft: 10, hard: 20 } }],
    [{ nofile: { hard: 20 } }, { nofile: { soft: 20, hard: 20 } }],
    [{ nofile: { soft: 20 } }, { nofile: { soft: 20, hard: 20 } }],
    [
      { stack: Infinity, core: 0 },
      { stack: { soft: Infinity, hard: Infinity }, core: { soft: 0, hard: 0 } },
    ],
    [{ stack: { soft: 5, hard: Infinity } }, { stack: { soft: 5, hard: Infinity } }],
    [undefined, {}],
    [{ nofile: undefined }, {}],
  ])('%j', (rlimits, expected) => {
    expect(check({ rlimits }).rlimits).toEqual(expected);
  });

  test.each<[unknown, string]>([
    [{ nofile: -1 }, 'rlimits.nofile.hard'],
    [{ nofile: 1.5 }, 'rlimits.nofile.hard'],
    [{ nofile: 2 ** 64 }, 'rlimits.nofile.hard'],
    [{ nofile: NaN }, 'rlimits.nofile.hard'],
    [{ nofile: '64' }, 'rlimits.nofile.hard'],
    [{ nofile: { soft: '1', hard: 2 } }, 'rlimits.nofile.soft'],
    [{ nofile: { soft: 2, hard: 1 } }, 'rlimits.nofile'],
    [{ nofile: { soft: Infinity, hard: 1 } }, 'rlimits.nofile'],
    [{ nofile: { max: 1 } }, 'rlimits.nofile.max'],
    [{ nofile: null }, 'rlimits.nofile'],
    [{ open: 5 }, 'rlimits.open'],
    [[], 'rlimits'],
  ])('%j is refused', (rlimits, subject) => {
    expect(refusal(() => check({ rlimits }))).toMatchObject({ code: 'ERR_INVALID_OPTION', subject });
  });

  test('those of limits are weaker than those by name', () => {
    const limits = { ...NO_LIMITS, files: 100 };
    expect(checkProcess({}, limits).rlimits).toEqual({ nofile: { soft: 100, hard: 100 } });
    expect(checkProcess({ rlimits: { nofile: 5 } }, limits).rlimits).toEqual({ nofile: { soft: 5, hard: 5 } });
  });
});

describe('a command over its sandbox', () => {
  const sandbox = checkProcess(
    { env: { A: '1', B: '2' }, cwd: '/work', user: 7, umask: 0o77, rlimits: { nofile: 64, core: 0 }, maxOutput: 100 },
    NO_LIMITS,
  );

  test('what it does not say is the sandbox’s', () => {
    expect(checkProcess({}, { ...NO_LIMITS, cpuTimeMs: 500 }, sandbox)).toEqual({ ...sandbox, cpuTimeMs: 500 });
  });

  test('what it says counts, key by key in env and rlimits', () => {
    const own = {
      env: { B: '3', C: '4' },
      cwd: '/',
      user: 'web',
      umask: 0,
      rlimits: { nofile: 65 },
      maxOutput: '1KiB',
    };
    expect(checkProcess(own, NO_LIMITS, sandbox)).toMatchObject({
      env: { A: '1', B: '3', C: '4' },
      cwd: '/',
      user: { kind: 'name', user: 'web' },
      umask: 0,
      rlimits: { nofile: { soft: 65, hard: 65 }, core: { soft: 0, hard: 0 } },
      maxOutputBytes: 1024,
    });
    expect(sandbox.env).toEqual({ A: '1', B: '2' });
  });

  test('changing the options afterwards changes nothing', () => {
    const env = { A: '1' };
    const spec = check({ env });
    env.A = '2';
    expect(spec.env).toEqual({ A: '1' });
  });
});
