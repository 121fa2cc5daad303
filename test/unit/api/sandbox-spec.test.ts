import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkSandbox } from '../../../lib/api/sandbox-spec.js';
import { Host, Sandbox, Volume, type SandboxOptions } from '../../../lib/index.js';
import { DEVICE_NODES } from '../../../lib/security/kernel-paths.js';
import { BAD_OPTIONS } from '../../support/bad-options.js';
import { refusal } from '../../support/refusal.js';
import { rejection } from '../../support/rejection.js';

const MIB = 2 ** 20;
describe('bad options', () => {
  test.each(BAD_OPTIONS)('%j', (options, subject, expected) => {
    const error = refusal(() => checkSandbox(options));
    expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', subject });
    expect(error.message.startsWith(`${subject}: expected `)).toBe(true);
    expect(error.message).toContain(expected);
    expect(error.message).toContain(', got ');
  });

  test('a bad reference of an image says what is wrong with it', () => {
    expect(refusal(() => checkSandbox({ image: 'alpine:nothing like this' }))).toMatchObject({
      code: 'ERR_INVALID_REFERENCE',
      subject: 'alpine:nothing like this',
    });
  });

  test('a bad system call filter names its field', () => {
    expect(refusal(() => checkSandbox({ security: { seccomp: { defaultAction: 'DENY' } } }))).toMatchObject({
      code: 'ERR_SECCOMP_PROFILE',
      subject: 'seccomp.defaultAction',
    });
  });

  test('nothing is touched: no directory is made, no launcher started', async () => {
    const root = join(tmpdir(), 'cloister-never-made');
    const host = new Host({ root, stateDir: root });
    for (const [options] of BAD_OPTIONS) {
      const bad = { ...options, host } as SandboxOptions;
      expect((await rejection(Sandbox.create(bad))).code).toBe('ERR_INVALID_OPTION');
      const { name: _, ...runnable } = bad;
      if (!('name' in bad)) expect((await rejection(Sandbox.run(['true'], runnable))).code).toBe('ERR_INVALID_OPTION');
    }
    expect(Sandbox.list({ host })).toEqual([]);
    expect(existsSync(root)).toBe(false);
    await host.close();
  });

  test.each([[null], ['text'], [5], [[]]])('%j instead of options', async (options) => {
    const nonsense = options as never;
    for (const promise of [Sandbox.create(nonsense), Sandbox.run(['true'], nonsense), Sandbox.getOrCreate(nonsense)]) {
      expect(await rejection(promise)).toMatchObject({ code: 'ERR_INVALID_OPTION', subject: 'options' });
    }
  });

  test.each([
    [{ root: 'relative' }, 'root'],
    [{ concurrency: 0 }, 'concurrency'],
    [{ rot: '/x' }, 'rot'],
    [null, 'options'],
  ])('of a host: %j', (options, subject) => {
    expect(refusal(() => new Host(options as never))).toMatchObject({ code: 'ERR_INVALID_OPTION', subject });
  });

  test('a host that is none', async () => {
    expect(await rejection(Sandbox.create({ host: {} as never }))).toMatchObject({ subject: 'host' });
  });
});

describe('a sandbox without options is fit for untrusted code', () => {
  const spec = checkSandbox({});

  test('every default', () => {
    expect({ ...spec, capabilities: [...spec.capabilities].sort(), hostname: '' }).toEqual({
      name: undefined,
      image: { kind: 'host' },
      cgroup: {},
      defaultLimits: { memoryBytes: 512 * MIB, swapBytes: 0, pids: 256 },
      writable: { medium: 'memory', sizeBytes: 256 * MIB, isSizeAsked: false },
      shmBytes: 64 * MIB,
      network: 'none',
      mounts: [],
      devices: DEVICE_NODES,
      hostname: '',
      domainname: '',
      health: undefined,
      readonlyRoot: false,
      sysctls: {},
      clocks: undefined,
      ids: { kind: 'auto' },
      capabilities: [
        'CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_FSETID', 'CAP_KILL', 'CAP_NET_BIND_SERVICE', 'CAP_SETFCAP',
        'CAP_SETGID', 'CAP_SETPCAP', 'CAP_SETUID', 'CAP_SYS_CHROOT',
      ],
      addedCapabilities: new Set(),
      noNewPrivileges: true,
      seccomp: 'default',
      maskKernelPaths: true,
      labels: {},
      command: {
        env: {},
        // The image's, or / and root.
        cwd: undefined,
        user: undefined,
        umask: 0o022,
        rlimits: {},
        cpuTimeMs: Infinity,
        maxOutputBytes: 10 * MIB,
      },
    }); // prettier-ignore
  });

  test('its host name is random, its description frozen', () => {
    expect(spec.hostname).toMatch(/^cloister-[0-9a-f]{8}$/);
    expect(checkSandbox({}).hostname).not.toBe(spec.hostname);
    expect(Object.isFrozen(spec)).toBe(true);
    expect(checkSandbox(undefined)).toMatchObject({ network: 'none' });
  });
});

describe('good options', () => {
  test('limits in any unit; Infinity takes a default away', () => {
    const io = { readBps: '1MB', writeIops: 5, weight: 7, device: '8:0' };
    const limits = {
      memory: '1GiB', swap: Infinity, cpus: 0.5, cpuWeight: 10, cpuset: '0-2,4', pids: Infinity, io, disk: '1MiB', files: 64, cpuTime: '2s',
    }; // prettier-ignore
    const spec = checkSandbox({ limits });
    expect(spec.cgroup).toEqual({
      memoryBytes: 2 ** 30, swapBytes: Infinity, cpus: 0.5, cpuWeight: 10, cpuset: '0-2,4', pids: Infinity,
      io: { readBps: 1e6, writeIops: 5, weight: 7, device: '8:0' },
    }); // prettier-ignore
    expect(spec.writable).toEqual({ medium: 'memory', sizeBytes: MIB, isSizeAsked: true });
    expect(spec.command).toMatchObject({ cpuTimeMs: 2000, rlimits: { nofile: { soft: 64, hard: 64 } } });
    expect(checkSandbox({ limits: { memory: Infinity, cpus: Infinity } }).cgroup).toEqual({
      memoryBytes: Infinity,
      cpus: Infinity,
    });
  });

  test('the name is the host name, as far as it fits', () => {
    expect(checkSandbox({ name: 'build-1' })).toMatchObject({ name: 'build-1', hostname: 'build-1' });
    expect(checkSandbox({ name: 'x'.repeat(128) }).hostname).toBe('x'.repeat(64));
    expect(checkSandbox({ name: 'a', hostname: '' }).hostname).toBe('');
  });

  test('mounts', () => {
    const mounts = [
      Volume.bind('/etc', '/x/'),
      Volume.bind('/etc/passwd', '/y', { readonly: true }),
      Volume.tmpfs('/z', { size: '1MiB', mode: 0o700 }),
    ];
    expect(checkSandbox({ mounts }).mounts).toEqual([
      { kind: 'bind', source: '/etc', target: '/x', readonly: false, isFile: false },
      { kind: 'bind', source: '/etc/passwd', target: '/y', readonly: true, isFile: true },
      { kind: 'tmpfs', target: '/z', sizeBytes: MIB, mode: 0o700 },
    ]);
    // They only begin like what is forbidden.
    expect(
      checkSandbox({ mounts: ['/process', '/devices', '/sysroot'].map((path) => Volume.tmpfs(path)) }).mounts,
    ).toHaveLength(3);
  });

  test('profiles', () => {
    expect(checkSandbox({ security: { profile: 'strict' } }).capabilities.size).toBe(0);
    const privileged = checkSandbox({ security: { profile: 'privileged' } });
    expect(privileged).toMatchObject({ seccomp: 'unconfined', noNewPrivileges: false, maskKernelPaths: false });
    expect(privileged.capabilities.size).toBe(41);
    // Each of its parts can be had back.
    expect(
      checkSandbox({ security: { profile: 'privileged', seccomp: 'default', noNewPrivileges: true } }),
    ).toMatchObject({
      seccomp: 'default',
      noNewPrivileges: true,
    });
    expect(
      checkSandbox({ security: { capabilities: { drop: ['ALL'], add: ['net_raw', 'CAP_KILL'] } } }).capabilities,
    ).toEqual(new Set(['CAP_NET_RAW', 'CAP_KILL']));
  });

  test('ids', () => {
    const map = { uids: [{ inside: 0, outside: 1000, count: 1 }], gids: [{ inside: 0, outside: 1001, count: 5 }] };
    expect(checkSandbox({ security: { userNamespace: map } }).ids).toEqual({ kind: 'map', ...map });
    expect(checkSandbox({ security: { userNamespace: 'host' } }).ids).toEqual({ kind: 'host' });
  });

  test('clocks and parameters of the kernel', () => {
    const sysctls = { 'net.ipv4.ip_forward': 1, 'kernel.msgmax': '4096', 'fs.mqueue.msg_max': 5 };
    const spec = checkSandbox({ clocks: { boottime: '1h' }, sysctls });
    expect(spec.clocks).toEqual({ monotonicMs: 0, boottimeMs: 3600e3 });
    expect(spec.sysctls).toEqual({ 'net.ipv4.ip_forward': '1', 'kernel.msgmax': '4096', 'fs.mqueue.msg_max': '5' });
    expect(checkSandbox({ network: 'host', sysctls: { 'kernel.msgmax': 1 } }).sysctls).toEqual({
      'kernel.msgmax': '1',
    });
  });
});
