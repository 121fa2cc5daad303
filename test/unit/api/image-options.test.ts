import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { Host, Image } from '../../../lib/index.js';
import { rejection } from '../../support/rejection.js';

const host = new Host({ root: '/nonexistent/cloister-untouched', stateDir: '/nonexistent/cloister-untouched' });

/** What is called, which option the error names, and what it says was expected. Nothing is opened: there is no such root. */
const BAD: readonly [string, () => Promise<unknown>, string, string][] = [
  ['pull', () => Image.pull(5 as never, { host }), 'reference', "a text such as 'debian:12'"],
  ['pull', () => Image.pull('a', { host, polocy: 'always' } as never), 'polocy', 'one of host, signal'],
  ['pull', () => Image.pull('a', { host, policy: 'never' as never }), 'policy', "'always' or 'missing'"],
  ['pull', () => Image.pull('a', { host, platform: 'a/b/c/d' }), 'platform', "a platform such as 'linux/amd64'"],
  ['pull', () => Image.pull('a', { host, concurrency: 0 }), 'concurrency', 'a whole number from 1 to 64'],
  ['pull', () => Image.pull('a', { host, onProgress: 'log' as never }), 'onProgress', 'a function'],
  ['pull', () => Image.pull('a', { host, auth: { username: 'me' } as never }), 'auth', '{ username, password }'],
  ['pull', () => Image.pull('a', { host, signal: {} as never }), 'signal', 'an AbortSignal'],
  ['pull', () => Image.pull('a', { host: {} as never }), 'host', 'a Host'],
  ['get', () => Image.get(undefined as never, { host }), 'name', "a name such as 'debian:12', or an Image"],
  ['get', () => Image.get('a', { host, force: true } as never), 'force', 'one of host, signal'],
  ['list', () => Image.list({ host, labels: ['a'] as never }), 'labels', 'an object of texts'],
  ['tag', () => Image.tag({} as never, 'b', { host }), 'image', "a name such as 'debian:12', or an Image"],
  ['tag', () => Image.tag('a', null as never, { host }), 'name', "a name such as 'me/app:1'"],
  ['tag', () => Image.tag('a', `b@sha256:${'0'.repeat(64)}`, { host }), 'name', 'and no digest'],
  ['remove', () => Image.remove('a', { host, force: 1 as never }), 'force', 'true or false'],
  ['prune', () => Image.prune({ host, all: 'yes' as never }), 'all', 'true or false'],
  ['push', () => Image.push('a', { host, to: 7 as never }), 'to', "a name such as 'me/app:1'"],
  ['push', () => Image.push('a', { host, platform: 'all of them' }), 'platform', "a platform such as 'linux/amd64'"],
  ['save', () => Image.save('a', '', { host }), 'target', 'a path of a file or a directory'],
  ['save', () => Image.save('a', {} as never, { host }), 'target', 'or a stream to write to'],
  ['save', () => Image.save('a', new PassThrough(), { host, directory: true }), 'directory', 'false for a stream'],
  ['save', () => Image.save([], 'x', { host }), 'image', 'at least one image'],
  ['save', () => Image.save(['a', 5 as never], 'x', { host }), 'image[1]', 'or an Image'],
  ['save', () => Image.save('a', 'x', { host, format: 'zip' as never }), 'format', "'oci' or 'docker'"],
  ['save', () => Image.save('a', 'x', { host, format: 'docker', directory: true }), 'directory', 'which is an archive'],
  ['load', () => Image.load('a\0b', { host }), 'source', 'without NUL'],
  ['load', () => Image.load('x', { host, repository: 5 as never }), 'repository', "a name such as 'me/app:1'"],
  ['load', () => Image.load('x', { host, format: 'oci' } as never), 'format', 'one of host, signal'],
  ['import', () => Image.import(5 as never, 'a', { host }), 'source', 'or a stream of bytes'],
  ['import', () => Image.import('x', 5 as never, { host }), 'name', "a name such as 'me/app:1'"],
  ['import', () => Image.import('x', 'a', { host, config: { command: [] } as never }), 'config.command', 'one of env'],
  ['import', () => Image.import('x', 'a', { host, config: { cmd: 'ls' as never } }), 'config.cmd', 'an array'],
  ['import', () => Image.import('x', 'a', { host, config: { cmd: [1 as never] } }), 'config.cmd[0]', 'a text'],
  ['import', () => Image.import('x', 'a', { host, config: { env: { 'a=b': '' } } }), 'config.env', "names without '='"],
  [
    'import',
    () => Image.import('x', 'a', { host, config: { exposedPorts: ['http'] } }),
    'config.exposedPorts[0]',
    'a port',
  ],
  [
    'import',
    () => Image.import('x', 'a', { host, config: { exposedPorts: ['0'] } }),
    'config.exposedPorts[0]',
    'a port',
  ],
  [
    'import',
    () => Image.import('x', 'a', { host, config: { workingDir: 'x' } }),
    'config.workingDir',
    'an absolute path',
  ],
  [
    'import',
    () => Image.import('x', 'a', { host, config: { volumes: ['../x'] } }),
    'config.volumes[0]',
    'an absolute path',
  ],
  ['import', () => Image.import('x', 'a', { host, config: { user: 'a:b:c' } }), 'config.user', "'name:group'"],
  ['import', () => Image.import('x', 'a', { host, config: { stopSignal: 'SIGNOT' } }), 'config.stopSignal', 'a signal'],
  ['import', () => Image.import('x', 'a', { host, created: '2026' as never }), 'created', 'a Date'],
  ['export', () => Image.export('a', 5 as never, { host }), 'target', 'or a stream to write to'],
  ['inspect', () => Image.inspect(['a'] as never, { host }), 'image', "a name such as 'debian:12', or an Image"],
];

test.each(BAD)('%s refuses %s', async (_, call, subject, expected) => {
  const error = await rejection(call());
  expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', subject });
  expect(error.message).toContain(`${subject}: expected `);
  expect(error.message).toContain(expected);
});

test.each([
  ['pull', () => Image.pull('Upper/Case', { host })],
  ['get', () => Image.get('a b', { host })],
  ['tag', () => Image.tag('a', 'b:', { host })],
  ['remove', () => Image.remove('https://a', { host })],
  ['push', () => Image.push('a', { host, to: '-' })],
] as const)('%s refuses what is no name', async (_, call) => {
  expect((await rejection(call())).code).toBe('ERR_INVALID_REFERENCE');
});
