import { describe, expect, test } from 'vitest';
import { parseImageConfig } from '../../../lib/image/image-config.js';

const diffId = (name: string): string => `sha256:${name.repeat(64)}`;
const base = {
  os: 'linux',
  architecture: 'amd64',
  rootfs: { type: 'layers', diff_ids: [diffId('1'), diffId('2')] },
};
const parse = (document: unknown, layers = 2) =>
  parseImageConfig(new TextEncoder().encode(JSON.stringify(document)), layers, 'app:1');
const run = (config: unknown) => parse({ ...base, config });

test('the least that an image says', () => {
  const config = parse(base);
  expect(config).toEqual({
    platform: { os: 'linux', architecture: 'amd64', variant: undefined, osVersion: undefined, osFeatures: [] },
    created: undefined,
    author: undefined,
    env: {},
    entrypoint: undefined,
    cmd: undefined,
    shell: undefined,
    user: undefined,
    workingDir: '/',
    exposedPorts: [],
    volumes: [],
    labels: {},
    stopSignal: undefined,
    healthcheck: undefined,
    diffIds: [diffId('1'), diffId('2')],
    history: [],
  });
  expect(Object.isFrozen(config) && Object.isFrozen(config.env) && Object.isFrozen(config.diffIds)).toBe(true);
});

test('everything that an image can say', () => {
  const config = parse({
    ...base,
    architecture: 'aarch64',
    created: '2026-01-01T00:00:00Z',
    author: 'me',
    config: {
      Env: ['PATH=/bin', 'EMPTY=', 'A=1=2', 'A=3', 'NOTHING', '=x'],
      Entrypoint: ['/init'],
      Cmd: [],
      Shell: ['/bin/bash', '-ec'],
      User: 'me:users',
      WorkingDir: '/srv//app/../data/',
      ExposedPorts: { '80': {}, '53/UDP': {}, '9000/sctp': {} },
      Volumes: { '/data': {}, '/data/': {}, '/a/../../etc': {}, rel: {} },
      Labels: { a: 'b' },
      StopSignal: 'SIGRTMIN+3',
      Healthcheck: { Test: ['CMD', 'true'], Interval: 30e9, Timeout: 0, Retries: 3 },
    },
    history: [
      { created: '2026-01-01T00:00:00Z', created_by: 'ADD', comment: 'c', author: 'a' },
      { created_by: 'ENV', empty_layer: true },
      {},
    ],
  });
  expect(config).toMatchObject({
    platform: { architecture: 'arm64' },
    created: '2026-01-01T00:00:00Z',
    author: 'me',
    env: { PATH: '/bin', EMPTY: '', A: '3' },
    entrypoint: ['/init'],
    cmd: [],
    shell: ['/bin/bash', '-ec'],
    user: 'me:users',
    workingDir: '/srv/data',
    exposedPorts: [
      { port: 80, protocol: 'tcp' },
      { port: 53, protocol: 'udp' },
      { port: 9000, protocol: 'sctp' },
    ],
    volumes: ['/data', '/etc', '/rel'],
    labels: { a: 'b' },
    stopSignal: 'SIGRTMIN+3',
    healthcheck: { kind: 'exec', command: ['true'], intervalMs: 30_000, timeoutMs: undefined, retries: 3 },
    history: [
      { createdBy: 'ADD', comment: 'c', author: 'a', isEmptyLayer: false },
      { createdBy: 'ENV', isEmptyLayer: true },
      { createdBy: undefined, isEmptyLayer: false },
    ],
  });
  expect(Object.keys(config.env)).toEqual(['PATH', 'EMPTY', 'A']);
});

describe('other forms', () => {
  test('a command that is one text, as Docker writes it', () => {
    expect(run({ Cmd: 'sh' }).cmd).toEqual(['sh']);
  });

  test.each([
    [{ Test: [] }, undefined],
    [{}, undefined],
    [{ Test: ['NONE'] }, 'none'],
    [{ Test: ['CMD-SHELL', 'exit 0'] }, 'shell'],
  ])('health check %j', (Healthcheck, kind) => {
    expect(run({ Healthcheck }).healthcheck?.kind).toBe(kind);
  });

  test('null is absent', () => {
    const config = run({ Env: null, Cmd: null, Entrypoint: null, Volumes: null, Labels: null, WorkingDir: '' });
    expect(config).toMatchObject({ env: {}, cmd: undefined, entrypoint: undefined, volumes: [], workingDir: '/' });
  });
});

describe('what other tools write', () => {
  test('texts as long as the document lets them be', () => {
    const long = 'x'.repeat(2 ** 20);
    const config = run({ Env: [`A=${long}`], Labels: { a: long }, Cmd: [long] });
    expect(config).toMatchObject({ env: { A: long }, labels: { a: long }, cmd: [long] });
  });

  test('a label of null is empty', () => {
    expect(run({ Labels: { a: null, b: 'c' } }).labels).toEqual({ a: '', b: 'c' });
  });

  test.each<[string[], string[]]>([
    [['8000-8002/tcp'], ['8000/tcp', '8001/tcp', '8002/tcp']],
    [
      ['53/udp', '8001', '8000-8001/TCP', '8001-8002'],
      ['8000/tcp', '8001/tcp', '8002/tcp', '53/udp'],
    ],
    [
      ['0/tcp', '0', '0-2/sctp'],
      ['1/sctp', '2/sctp'],
    ],
    [['7-7'], ['7/tcp']],
  ])('exposed ports %j', (texts, expected) => {
    const { exposedPorts } = run({ ExposedPorts: Object.fromEntries(texts.map((text) => [text, {}])) });
    expect(exposedPorts.map(({ port, protocol }) => `${port}/${protocol}`)).toEqual(expected);
  });

  test('thousands of wide ranges are each port once', () => {
    const ranges = Array.from({ length: 4096 }, (_, i) => [`${i}-65535/udp`, {}]);
    expect(run({ ExposedPorts: Object.fromEntries(ranges) as unknown }).exposedPorts).toHaveLength(65_535);
  });

  test('times and counts below 0 are not given', () => {
    const times = { Interval: -1, Timeout: -30e9, StartPeriod: -1, StartInterval: -1, Retries: -1 };
    const unset = { intervalMs: undefined, timeoutMs: undefined, startPeriodMs: undefined, startIntervalMs: undefined };
    expect(run({ Healthcheck: { Test: ['CMD', 'x'], ...times } }).healthcheck).toMatchObject({
      ...unset,
      retries: undefined,
    });
  });
});

describe('what is refused', () => {
  test.each<[string, unknown, string]>([
    ['no platform', { ...base, os: undefined }, 'app:1.os: expected a text'],
    ['no layers', { ...base, rootfs: undefined }, 'app:1.rootfs: expected an object'],
    ['another kind of root', { ...base, rootfs: { type: 'x', diff_ids: [] } }, "app:1.rootfs.type: expected 'layers'"],
    ['fewer layers than the manifest', { ...base, rootfs: { type: 'layers', diff_ids: [diffId('1')] } }, 'expected 2'],
    ['a digest that is none', { ...base, rootfs: { type: 'layers', diff_ids: ['1', '2'] } }, 'diff_ids[0]'],
    ['more steps than layers', { ...base, history: [{}, {}, {}] }, 'app:1.history: expected at most 2 steps'],
    ['NUL in the environment', { ...base, config: { Env: ['A=\0'] } }, 'app:1.config.Env[0]'],
    ['an environment that is an object', { ...base, config: { Env: { A: '1' } } }, 'app:1.config.Env'],
    ['a port that is none', { ...base, config: { ExposedPorts: { '70000/tcp': {} } } }, 'app:1.config.ExposedPorts'],
    ['a range upside down', { ...base, config: { ExposedPorts: { '9-8/tcp': {} } } }, 'app:1.config.ExposedPorts'],
    ['a range of no ports', { ...base, config: { ExposedPorts: { '8-70000': {} } } }, 'app:1.config.ExposedPorts'],
    ['volumes that are a list', { ...base, config: { Volumes: ['/data'] } }, 'app:1.config.Volumes'],
    ['a signal that is none', { ...base, config: { StopSignal: 'rm -rf' } }, 'app:1.config.StopSignal'],
    ['an unknown health check', { ...base, config: { Healthcheck: { Test: ['RUN', 'x'] } } }, 'Healthcheck.Test'],
    ['a health check without command', { ...base, config: { Healthcheck: { Test: ['CMD'] } } }, 'Healthcheck.Test'],
    ['labels that are numbers', { ...base, config: { Labels: { a: 1 } } }, 'app:1.config.Labels.a'],
    ['a user of thousands of characters', { ...base, config: { User: 'u'.repeat(1000) } }, 'app:1.config.User'],
    ['more than eight megabytes', { ...base, x: ' '.repeat(8 * 2 ** 20) }, 'at most 8388608 bytes'],
  ])('%s', (_, document, problem) => {
    const refusal = (): unknown => parse(document);
    expect(refusal).toThrow(problem);
    expect(refusal).toThrow(expect.objectContaining({ code: 'ERR_IMAGE_INVALID' }));
  });
});
