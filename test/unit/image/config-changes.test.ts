import { expect, test } from 'vitest';
import { changedConfig } from '../../../lib/image/config-changes.js';
import { NO_HEALTHCHECK, type Healthcheck } from '../../../lib/image/healthcheck.js';
import { parseImageConfig } from '../../../lib/image/image-config.js';
import type { Digest } from '../../../lib/shared/digest.js';

const digest = (digit: string): Digest => `sha256:${digit.repeat(64)}`;
const STEP = {
  diffId: digest('b'),
  created: '2026-01-02T03:04:05.000Z',
  createdBy: 'us',
  author: undefined,
  comment: undefined,
};

function change(document: object, changes = {}, step = {}): Record<string, unknown> {
  const bytes = Buffer.from(JSON.stringify({ os: 'linux', architecture: 'amd64', ...document }));
  const written = changedConfig(bytes, parseImageConfig(bytes, 1), changes, { ...STEP, ...step });
  expect(parseImageConfig(written, 2).diffIds.at(-1)).toBe(STEP.diffId);
  return JSON.parse(written.toString()) as Record<string, unknown>;
}

const LAYERS = { rootfs: { type: 'layers', diff_ids: [digest('a')] } };

test('what nobody changes stays, also what this library does not know', () => {
  const config = { Env: ['A=1', 'odd'], Shell: ['/bin/sh'], ArgsEscaped: true, Cmd: null };
  expect(change({ ...LAYERS, config, variant: 'v8', 'os.features': ['x'], moby: { a: 1 }, author: 'them' })).toEqual({
    os: 'linux',
    architecture: 'amd64',
    variant: 'v8',
    'os.features': ['x'],
    moby: { a: 1 },
    author: 'them',
    created: STEP.created,
    config,
    rootfs: { type: 'layers', diff_ids: [digest('a'), digest('b')] },
    history: [{ created: STEP.created, created_by: 'us' }],
  });
});

test('what is true of the maker of the other image only is left out', () => {
  const made = {
    container: 'c',
    container_config: { Cmd: ['x'] },
    docker_version: '20',
    id: 'i',
    parent: 'p',
    throwaway: true,
  };
  for (const key of Object.keys(made)) expect(change({ ...LAYERS, ...made })).not.toHaveProperty(key);
});

test('maps and sets grow, lists and texts are replaced', () => {
  const config = {
    Env: ['A=1', 'B=2'],
    Labels: { a: '1', b: '2' },
    ExposedPorts: { '80/tcp': {} },
    Volumes: { '/v': {} },
    Cmd: ['x', 'y'],
    User: 'u',
  };
  const changes = {
    env: { B: '3', C: '4=5' },
    labels: { b: '3', c: '' },
    exposedPorts: [
      { port: 80, protocol: 'tcp' },
      { port: 53, protocol: 'udp' },
    ],
    volumes: ['/v', '/w'],
    cmd: ['z'],
    entrypoint: [],
    user: '',
    workingDir: '/w',
    stopSignal: 'SIGQUIT',
  };
  expect(change({ ...LAYERS, config }, changes)['config']).toEqual({
    Env: ['A=1', 'B=3', 'C=4=5'],
    Labels: { a: '1', b: '3', c: '' },
    ExposedPorts: { '80/tcp': {}, '53/udp': {} },
    Volumes: { '/v': {}, '/w': {} },
    Cmd: ['z'],
    Entrypoint: [],
    User: '',
    WorkingDir: '/w',
    StopSignal: 'SIGQUIT',
  });
});

test('the history gets one step with a layer', () => {
  const history = [{ created_by: 'them' }, { created_by: 'ENV', empty_layer: true }];
  const written = change({ ...LAYERS, history, config: null }, {}, { author: 'me', comment: 'why' });
  expect(written['history']).toEqual([
    ...history,
    { created: STEP.created, created_by: 'us', author: 'me', comment: 'why' },
  ]);
  expect(written['author']).toBe('me');
});

test.each<[string, Partial<Healthcheck>, object]>([
  [
    'replaced as a whole',
    { kind: 'exec', command: ['a', 'b'], intervalMs: 1500 },
    { Test: ['CMD', 'a', 'b'], Interval: 1.5e9 },
  ],
  [
    'written as Docker has it',
    { kind: 'shell', command: ['a b'], timeoutMs: 1, startPeriodMs: 2, startIntervalMs: 3, retries: 4 },
    { Test: ['CMD-SHELL', 'a b'], Timeout: 1e6, StartPeriod: 2e6, StartInterval: 3e6, Retries: 4 },
  ],
  ['switched off', NO_HEALTHCHECK, { Test: ['NONE'] }],
])('a health check is %s', (_, check, written) => {
  const config = { Healthcheck: { Test: ['CMD', 'x'], Timeout: 5e9, Retries: 7 } };
  const changes = { healthcheck: { ...NO_HEALTHCHECK, ...check } };
  expect(change({ ...LAYERS, config }, changes)['config']).toEqual({ Healthcheck: written });
  expect(change({ ...LAYERS, config })['config']).toEqual(config);
});
