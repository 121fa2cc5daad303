import { createHash } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { Host, parseReference, RegistryClient } from '../../../../lib/index.js';
import { refusal } from '../../../support/refusal.js';
import { rejection } from '../../../support/rejection.js';

/** Nothing listens there: what is asked for all the same fails with another code. */
const REFERENCE = parseReference('127.0.0.1:1/team/app:1');
const DIGEST = `sha256:${'0'.repeat(64)}` as const;
const BLOB = { mediaType: 'application/octet-stream', digest: DIGEST, size: 3 } as never;
const client = new RegistryClient({ attempts: 1, useCredentialFiles: false });
afterAll(() => client.close());

const all = async (bytes: () => AsyncIterable<Uint8Array>): Promise<void> => {
  for await (const _ of bytes()) expect.unreachable();
};
const none = (): AsyncIterable<Uint8Array> => expect.unreachable();
const blobFrom = (from: unknown) => all(() => client.blob(REFERENCE, BLOB, { from: from as never }));

/** What the error names, and the call. Every wrong value is tried by one method that takes it. */
const BAD: readonly [string, () => Promise<unknown>][] = [
  ['registry', () => client.ping('registry.example/path')],
  ['registry', () => client.catalog(undefined as never)],
  ['repository', () => client.tags('debian' as never)],
  ['repository', () => client.tags({ registry: 'a.test', repository: '../v2' })],
  ['repository', () => client.hasBlob(null as never, BLOB)],
  ['repository', () => client.uploadBlob({ ...REFERENCE, repository: 'A' }, BLOB, none)],
  ['repository', () => client.referrers(7 as never, DIGEST)],
  ['repository', () => all(() => client.blob({} as never, BLOB))],
  ['reference', () => client.resolve('debian:12' as never)],
  ['reference', () => client.manifest({ ...REFERENCE, tag: '../../x' })],
  ['reference', () => client.deleteManifest({ ...REFERENCE, tag: undefined })],
  ['reference', () => client.putManifest(undefined as never, Buffer.from('{}'))],
  ['bytes', () => client.putManifest(REFERENCE, '{}' as never)],
  ['digest', () => client.deleteBlob(REFERENCE, 'sha256:../../manifests/1')],
  ['digest', () => client.referrers(REFERENCE, '' as never)],
  ['descriptor', () => client.blobBytes(REFERENCE, DIGEST as never, { maxBytes: 1 })],
  ['descriptor.digest', () => client.hasBlob(REFERENCE, { digest: 'sha256:0', size: 1 })],
  ['descriptor.size', () => client.uploadBlob(REFERENCE, { digest: DIGEST, size: NaN } as never, none)],
  ['maxBytes', () => client.blobBytes(REFERENCE, BLOB, {} as never)],
  ['open', () => client.uploadBlob(REFERENCE, BLOB, Buffer.from('abc') as never)],
  ['method', () => client.uploadBlob(REFERENCE, BLOB, none, { method: 'parts' as never })],
  ['chunkBytes', () => client.uploadBlob(REFERENCE, BLOB, none, { chunkBytes: 0 })],
  ['onProgress', () => client.uploadBlob(REFERENCE, BLOB, none, { onProgress: true as never })],
  ['from.offset', () => blobFrom({ offset: 4, hash: createHash('sha256') })],
  ['from.hash', () => blobFrom({ offset: 1, hash: 'abc' })],
  ['accept[0]', () => client.manifest(REFERENCE, { accept: ['a/b\r\nx: y'] })],
  ['expected.size', () => client.manifest(REFERENCE, { expected: { digest: DIGEST } as never })],
  ['artifactType', () => client.referrers(REFERENCE, DIGEST, { artifactType: 5 as never })],
  ['signal', () => client.tags(REFERENCE, { signal: {} as never })],
  ['timeout', () => client.tags(REFERENCE, { timeout: 5 } as never)],
  ['options', () => client.catalog('a.test', null as never)],
];

test.each(BAD)('%s, row %#: nothing is asked for', async (option, call) => {
  expect(await rejection(call())).toMatchObject({ code: 'ERR_INVALID_OPTION', subject: option });
});

const PEM = '-----BEGIN CERTIFICATE-----';

test.each<[string, unknown]>([
  ['insecur', { insecur: ['a.test'] }],
  ['insecure', { insecure: 'a.test' }],
  ['insecure[0]', { insecure: [5] }],
  ['useCredentialFiles', { useCredentialFiles: 'no' }],
  ['auth', { auth: 'me' }],
  ['tls', { tls: null }],
  ['tls["a.test"].ca[0]', { tls: { 'a.test': { ca: '/etc/ssl/ca.pem' } } }],
  ['tls["a.test"].key', { tls: { 'a.test': { cert: PEM } } }],
  ['tls["a.test"].certificate', { tls: { 'a.test': { certificate: PEM } } }],
  ['certificateDirectories', { certificateDirectories: '/etc' }],
  ['mirrors["a.test"]', { mirrors: { 'a.test': 'b.test' } }],
  ['mirrors["a.test"][0]', { mirrors: { 'a.test': [5] } }],
  ['env', { env: 'HOME' }],
  // More than a timer of Node's counts to would be no time at all.
  ['responseTimeoutMs', { responseTimeoutMs: 2 ** 31 }],
  ['retryDelayMs', { retryDelayMs: 2 ** 31 - 1 }],
])('the option %s, row %#', (option, options) => {
  const error = refusal(() => new RegistryClient(options as never));
  expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', subject: option });
  const ofHost = refusal(() => new Host({ root: '/nonexistent/cloister-untouched', registries: options as never }));
  expect(ofHost.subject).toBe(`registries.${option}`);
});

test('a password that is not set is told as what it is', () => {
  const auth = { 'a.test': { username: 'me', password: '' } };
  expect(refusal(() => new RegistryClient({ auth })).message).toContain('not empty');
});

test('a host with a longer name than any is one that nobody knows', async () => {
  const error = await rejection(client.ping(`${'a.'.repeat(150)}test`));
  expect(error.code).toBe('ERR_REGISTRY_UNREACHABLE');
});

test('a key that is no PEM is not shown', () => {
  const key = 'MIIEvQIBADANBgkqhkiG9w0B';
  expect(refusal(() => new RegistryClient({ tls: { 'a.test': { cert: PEM, key } } })).message).not.toContain(key);
});

test('what is no client, and a registry that is none, for credentials', () => {
  expect(refusal(() => new RegistryClient({}, {} as never)).subject).toBe('parent');
  expect(refusal(() => client.withCredentials('a/b', { registryToken: 'x' })).subject).toBe('registry');
});
