import { describe, expect, test } from 'vitest';
import { checkCommand } from '../../../lib/api/command-spec.js';
import { checkSandbox } from '../../../lib/api/sandbox-spec.js';
import type { ExecOptions, SandboxOptions } from '../../../lib/index.js';
import type { CommandPlan } from '../../../lib/native/plan.js';
import { NO_DEFAULTS, type ImageDefaults } from '../../../lib/runtime/image.js';
import { DEFAULT_PATH, planCommand } from '../../../lib/runtime/plan-command.js';
import { capabilityMask } from '../../../lib/security/capabilities.js';
import { refusal } from '../../support/refusal.js';

const RLIMITS = { core: { soft: 1, hard: 1 } };

function plan(options: ExecOptions = {}, box: SandboxOptions = {}, image?: Partial<ImageDefaults>): CommandPlan {
  const spec = checkSandbox(box);
  const defaults = image && { ...NO_DEFAULTS, ...image };
  return planCommand(spec, checkCommand(['prog', 'x'], options, spec, 1000), RLIMITS, defaults);
}

describe('the five capability sets', () => {
  const byDefault = capabilityMask(checkSandbox({}).capabilities);
  const NET_RAW = 1n << 13n;
  const ALL = 2n ** 41n - 1n;
  const sets = (bounding: bigint, held: bigint): object => ({
    bounding,
    permitted: held,
    effective: held,
    inheritable: 0n,
    ambient: 0n,
  });

  test.each<[string, ExecOptions, SandboxOptions, object]>([
    ['root', {}, {}, sets(byDefault, byDefault)],
    ['root by name', { user: 'root' }, {}, sets(byDefault, byDefault)],
    ['root by number, in another group', { user: '0:50' }, {}, sets(byDefault, byDefault)],
    ['a plain user', { user: 1000 }, {}, sets(byDefault, 0n)],
    ['a named user, who might be root by another name', { user: 'toor' }, {}, sets(byDefault, 0n)],
    ['a user in a named group', { user: '1000:staff' }, {}, sets(byDefault, 0n)],
    ['root in a named group', { user: 'root:staff' }, {}, sets(byDefault, 0n)],
    ['strict', {}, { security: { profile: 'strict' } }, sets(0n, 0n)],
    ['privileged', {}, { security: { profile: 'privileged' } }, sets(ALL, ALL)],
    ['privileged, a plain user', { user: 1 }, { security: { profile: 'privileged' } }, sets(ALL, 0n)],
    ['one alone', {}, { security: { capabilities: { drop: ['ALL'], add: ['NET_RAW'] } } }, sets(NET_RAW, NET_RAW)],
  ])('%s', (_, options, box, expected) => {
    expect(plan(options, box).capabilities).toEqual(expected);
  });

  test('of the user that an image names', () => {
    expect(plan({}, {}, { user: '1000' }).capabilities).toEqual(sets(byDefault, 0n));
    expect(plan({}, {}, { user: 'root' }).capabilities).toEqual(sets(byDefault, byDefault));
    expect(plan({ user: 0 }, {}, { user: '1000' }).capabilities).toEqual(sets(byDefault, byDefault));
  });

  test('the default is Docker’s less MKNOD, NET_RAW and AUDIT_WRITE', () => {
    const docker = 0xa804_25fbn;
    expect(byDefault).toBe(docker & ~(1n << 27n) & ~NET_RAW & ~(1n << 29n));
  });

  test.each<[string, ExecOptions, SandboxOptions['security'] & object, bigint]>([
    ['nothing that was not added by name', { user: 1000 }, {}, 0n],
    ['what was added', { user: 1000 }, { capabilities: { add: ['NET_RAW'] } }, NET_RAW],
    ['of a user by name', { user: 'nobody' }, { capabilities: { add: ['NET_RAW'] } }, NET_RAW],
    [
      'of all that a profile has, what was added',
      { user: 1 },
      { profile: 'privileged', capabilities: { add: ['NET_RAW'] } },
      NET_RAW,
    ],
    ['all of them', { user: 1000 }, { capabilities: { add: ['ALL'] } }, ALL],
    ['not of root, who has them anyway', {}, { capabilities: { add: ['NET_RAW'] } }, 0n],
    ['not of root by name', { user: 'root:staff' }, { capabilities: { add: ['NET_RAW'] } }, 0n],
    [
      'not outside of a user namespace',
      { user: 1000 },
      { userNamespace: 'host', capabilities: { add: ['NET_RAW'] } },
      0n,
    ],
  ])('ambient: %s', (_, options, security, ambient) => {
    const planned = plan(options, { security }).capabilities;
    expect(planned).toMatchObject({ ambient, inheritable: ambient });
    const isRoot = options.user === undefined;
    if (!isRoot) expect(planned).toMatchObject({ effective: ambient, permitted: ambient });
    expect(planned.ambient & ~planned.bounding).toBe(0n);
  });
});

describe('environment', () => {
  const path = `PATH=${DEFAULT_PATH}`;

  test.each<[ExecOptions, SandboxOptions, string[], boolean]>([
    [{}, {}, [path, 'HOME=/root'], false],
    [{ user: 1000 }, {}, [path], true],
    [{ user: 'web' }, {}, [path], true],
    [{ user: 'web', env: { HOME: '/h' } }, {}, [path, 'HOME=/h'], false],
    [{ user: 'web', env: { HOME: '' } }, {}, [path, 'HOME='], false],
    [{ env: { PATH: '/bin' } }, {}, ['PATH=/bin', 'HOME=/root'], false],
    [{ tty: true }, {}, [path, 'HOME=/root', 'TERM=xterm-256color'], false],
    [{ tty: true, env: { TERM: 'dumb' } }, {}, [path, 'TERM=dumb', 'HOME=/root'], false],
    [{ env: { A: 'b=c' } }, { env: { Z: '1' } }, [path, 'Z=1', 'A=b=c', 'HOME=/root'], false],
  ])('%j', (options, box, env, findHome) => {
    expect(plan(options, box)).toMatchObject({ env, findHome });
  });

  test("the image's is below the sandbox's", () => {
    const env = plan({ env: { A: 'own' } }, {}, { env: { PATH: '/opt/bin', A: 'image', B: 'image' } }).env;
    expect(env).toEqual(['PATH=/opt/bin', 'A=own', 'B=image', 'HOME=/root']);
  });
});

describe('users', () => {
  const ids = (uid: number, gid = uid, groups: number[] = []): object => ({ user: '', group: '', uid, gid, groups });
  const named = (user: string, group = '', uid = 0): object => ({ user, group, uid, gid: 0, groups: [] });

  test.each<[NonNullable<ExecOptions['user']>, object]>([
    [{ uid: 5, gid: 6, groups: [7] }, ids(5, 6, [7])],
    ['web', named('web')],
    ['web:50', named('web', '50')],
    ['1000:staff', named('', 'staff', 1000)],
  ])('%j', (user, expected) => {
    expect(plan({ user })).toMatchObject(expected);
  });

  test('nobody named is root, or who the image names', () => {
    expect(plan()).toMatchObject(ids(0));
    expect(plan({ user: 1000 }, {}, { user: '5' })).toMatchObject(ids(1000));
    expect(plan({ user: '1000' }, {}, { user: '5' })).toMatchObject(ids(1000));
    expect(plan({}, {}, { user: '1000:100' })).toMatchObject(ids(1000, 100));
    expect(plan({}, {}, { user: 'root:root' })).toMatchObject(ids(0));
    expect(plan({}, {}, { user: 'web' })).toMatchObject(named('web'));
    expect(refusal(() => plan({}, {}, { user: 'a:b:c' }))).toMatchObject({
      code: 'ERR_IMAGE_INVALID',
      subject: 'a:b:c',
    });
    expect(refusal(() => plan({}, {}, { user: '4294967295' })).code).toBe('ERR_IMAGE_INVALID');
  });
});

test.each([
  ['1000', 1000],
  ['007', 7],
  ['0', 0],
  ['root', 0],
  ['', 0],
])('the groups of an image’s user %j are looked up', (user, uid) => {
  const planned = plan({}, {}, { user });
  expect(planned).toMatchObject({ user: `${uid}`, group: '', uid, gid: 0, groups: [] });
  const isRoot = uid === 0;
  expect(planned.capabilities.effective === planned.capabilities.bounding).toBe(isRoot);
  expect(planned.findHome).toBe(!isRoot);
});

describe('rlimits', () => {
  const limits = (options: ExecOptions, box: SandboxOptions = {}): unknown =>
    Object.fromEntries(plan(options, box).rlimits.map(({ resource, soft, hard }) => [resource, [soft, hard]]));
  const UNLIMITED = 2n ** 64n - 1n;

  test('those of the host unless the caller says otherwise', () => {
    expect(limits({})).toEqual({ 4: [1n, 1n] });
    expect(limits({ rlimits: { core: Infinity, nofile: { soft: 5, hard: 6 } } })).toEqual({
      4: [UNLIMITED, UNLIMITED],
      7: [5n, 6n],
    });
  });

  test('processor time is watched by the kernel, too, a little later', () => {
    expect(limits({ cpuTime: '1500ms' })).toEqual({ 0: [3n, 4n], 4: [1n, 1n] });
    expect(limits({}, { limits: { cpuTime: '2s' } })).toEqual({ 0: [3n, 4n], 4: [1n, 1n] });
    expect(limits({ rlimits: { cpu: 9 }, cpuTime: '1s' })).toEqual({ 0: [9n, 9n], 4: [1n, 1n] });
    expect(limits({ cpuTime: 1e300 })).toEqual({ 4: [1n, 1n] });
  });

  test('a command may have more of it than its sandbox says', () => {
    expect(limits({ cpuTime: Infinity }, { limits: { cpuTime: '2s' } })).toEqual({ 4: [1n, 1n] });
    expect(limits({ cpuTime: '10s' }, { limits: { cpuTime: '2s' } })).toEqual({ 0: [11n, 12n], 4: [1n, 1n] });
  });
});

describe('program', () => {
  const spec = checkSandbox({ image: 'debian:12' });
  const argvOf = (argv: string[], image?: Partial<ImageDefaults>): readonly string[] =>
    planCommand(spec, checkCommand(argv, {}, spec, 1), RLIMITS, { ...NO_DEFAULTS, ...image }).argv;

  test("what was asked for, or the image's own", () => {
    const image = { entrypoint: ['/entry'], cmd: ['serve', '-v'] };
    expect(argvOf(['sh'], image)).toEqual(['sh']);
    expect(argvOf([], image)).toEqual(['/entry', 'serve', '-v']);
    expect(argvOf([], { cmd: ['sh'] })).toEqual(['sh']);
  });

  test('none at all', () => {
    expect(refusal(() => argvOf([]))).toMatchObject({ code: 'ERR_INVALID_OPTION', subject: 'command' });
  });
});

test('no new privileges unless they are given by name', () => {
  expect(plan().noNewPrivileges).toBe(true);
  expect(plan({}, { security: { noNewPrivileges: false } }).noNewPrivileges).toBe(false);
});

test('the working directory: the command’s, the sandbox’s, the image’s, the root', () => {
  expect(plan({ cwd: '/c' }, { cwd: '/s' }, { cwd: '/i' }).cwd).toBe('/c');
  expect(plan({}, { cwd: '/s' }, { cwd: '/i' }).cwd).toBe('/s');
  expect(plan({}, {}, { cwd: '/i' }).cwd).toBe('/i');
  expect(plan({}, {}, {}).cwd).toBe('/');
  expect(plan().cwd).toBe('/');
});

test('the rest', () => {
  expect(plan({ umask: 0, tty: { columns: 1, rows: 2 } })).toMatchObject({
    argv: ['prog', 'x'],
    umask: 0,
    tty: { columns: 1, rows: 2 },
  });
});
