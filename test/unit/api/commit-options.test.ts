import { expect, test } from 'vitest';
import { checkCommit } from '../../../lib/api/commit-options.js';
import { CloisterError } from '../../../lib/index.js';

test('nothing given is the image as it is, paused and compressed', () => {
  const spec = checkCommit('me/app', {});
  expect(spec).toMatchObject({ reference: 'docker.io/me/app:latest', pause: true, compression: 'gzip' });
  expect(Object.values(spec.config).filter((value) => value !== undefined)).toEqual([]);
});

test('what is given comes out as the image has it', () => {
  const options = { cmd: [], exposedPorts: [80, '53/udp'], volumes: ['/data/'], workingDir: '/w/.', labels: { n: 1 } };
  expect(checkCommit('localhost:5000/a:b', options)).toMatchObject({
    reference: 'localhost:5000/a:b',
    config: {
      cmd: [],
      exposedPorts: [
        { port: 80, protocol: 'tcp' },
        { port: 53, protocol: 'udp' },
      ],
      volumes: ['/data'],
      workingDir: '/w',
      labels: { n: '1' },
    },
  });
});

test('a health check has what is given, or is switched off', () => {
  const health = { command: ['check'], interval: '2s', startPeriod: 0, retries: 5 };
  expect(checkCommit('a', { health }).config.healthcheck).toMatchObject({
    kind: 'exec',
    command: ['check'],
    intervalMs: 2000,
    timeoutMs: undefined,
    startPeriodMs: 0,
    retries: 5,
  });
  expect(checkCommit('a', { health: 'none' }).config.healthcheck).toMatchObject({ kind: 'none', command: [] });
});

test.each([
  [{ health: 'off' }, 'health', 'an object'],
  [{ health: { command: [] } }, 'health.command', 'a non-empty array'],
  [{ health: { command: ['x'], every: 1 } }, 'health.every', 'no such option'],
  [{ health: { command: ['x'], interval: 0 } }, 'health.interval', 'at least 1 ms'],
  [{ health: { command: ['x'], timeout: Infinity } }, 'health.timeout', 'expected'],
  [{ health: { command: ['x'], startPeriod: '200d' } }, 'health.startPeriod', 'expected'],
  [{ message: 'x' }, 'message', 'one of '],
  [{ env: { 'A=B': '' } }, 'env', "names without '='"],
  [{ env: { A: 1 } }, 'env.A', 'a text'],
  [{ cmd: 'ls' }, 'cmd', 'an array'],
  [{ cmd: [undefined] }, 'cmd[0]', 'a text'],
  [{ entrypoint: ['a\0'] }, 'entrypoint[0]', 'a text without NUL'],
  [{ workingDir: 'relative' }, 'workingDir', 'an absolute path'],
  [{ user: 7 }, 'user', "'uid'"],
  [{ user: '' }, 'user', "'uid'"],
  [{ exposedPorts: [0] }, 'exposedPorts[0]', 'a port'],
  [{ exposedPorts: ['80/http'] }, 'exposedPorts[0]', 'a port'],
  [{ volumes: ['a'] }, 'volumes[0]', 'an absolute path'],
  [{ stopSignal: 'SIGNOT' }, 'stopSignal', 'a signal'],
  [{ compression: 'zstd' }, 'compression', "'gzip' or 'none'"],
  [{ pause: 'no' }, 'pause', 'true or false'],
  [{ comment: 1 }, 'comment', 'a text'],
])('%j is refused', (options, subject, expected) => {
  const check = (): unknown => checkCommit('a', options);
  expect(check).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION', subject }) as CloisterError);
  expect(check).toThrow(expected);
});

test('a name that is none, or one of a digest, is refused', () => {
  expect(() => checkCommit('A', {})).toThrow(expect.objectContaining({ code: 'ERR_INVALID_REFERENCE' }) as Error);
  expect(() => checkCommit(`a@sha256:${'0'.repeat(64)}`, {})).toThrow('no digest');
  expect(() => checkCommit(undefined, {})).toThrow(CloisterError);
});
