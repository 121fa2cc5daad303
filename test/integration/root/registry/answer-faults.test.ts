import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parseReference, type Reference } from '../../../../lib/image/reference.js';
import { RegistryClient } from '../../../../lib/image/registry/client.js';
import { FaultProxy, type Fault } from '../../../support/fault-proxy.js';
import { LocalServer } from '../../../support/http-server.js';
import { startRegistry, type TestRegistry } from '../../../support/registry.js';
import { rejection } from '../../../support/rejection.js';
import { collect, push, sampleImage } from '../../../support/sample-image.js';

const SIZE = 1_000_000;
const BLOB = / \/v2\/.*\/blobs\/sha256/;
const MANIFEST = / \/v2\/.*\/manifests\//;

const image = sampleImage([SIZE]);
const { descriptor, bytes } = image.layers[0]!;

let registry: TestRegistry;
let proxy: FaultProxy;
let client: RegistryClient;

beforeAll(async () => {
  registry = await startRegistry();
  proxy = await FaultProxy.start(registry.host);
  client = new RegistryClient({ useCredentialFiles: false, retryDelayMs: 1, attempts: 3 });
  await push(client, name('app:1'), image);
  proxy.reset();
});

afterEach(() => proxy.reset());

afterAll(async () => {
  await client.close();
  await proxy[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

const name = (rest: string): Reference => parseReference(`${proxy.host}/${rest}`);

describe('manifests', () => {
  const whole = async (): Promise<string> => (await client.manifest(name('app:1'))).descriptor.digest;
  const { digest } = image.manifest.descriptor;

  test.each<[string, Fault]>([
    ['a wrong byte', { kind: 'corrupt', at: 20 }],
    ['a break', { kind: 'cut', after: 20 }],
    ['an early end', { kind: 'truncate', after: 20 }],
    ['a repeated body', { kind: 'repeat' }],
    ['too small a length', { kind: 'length', announced: 10 }],
    ['a digest of something else', { kind: 'headers', set: { 'docker-content-digest': `sha256:${'0'.repeat(64)}` } }],
    ['503', { kind: 'answer', status: 503 }],
  ])('come whole at the second try in spite of %s', async (_, fault) => {
    proxy.next(/^GET .*manifests/, fault);
    expect(await whole()).toBe(digest);
    expect(proxy.matching(MANIFEST)).toHaveLength(2);
  });

  test.each<[string, Fault, string]>([
    ['a wrong byte', { kind: 'corrupt', at: 20 }, 'ERR_DIGEST_MISMATCH'],
    [
      'a digest of something else',
      { kind: 'headers', set: { 'docker-content-digest': `sha256:${'0'.repeat(64)}` } },
      'ERR_DIGEST_MISMATCH',
    ],
    [
      'an index that is none',
      { kind: 'headers', set: { 'content-type': 'application/vnd.oci.image.index.v1+json' } },
      'ERR_IMAGE_INVALID',
    ],
    [
      'schema 1',
      { kind: 'headers', set: { 'content-type': 'application/vnd.docker.distribution.manifest.v1+prettyjws' } },
      'ERR_IMAGE_INVALID',
    ],
    [
      'a page of a hotel',
      { kind: 'answer', status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' },
      'ERR_IMAGE_INVALID',
    ],
    ['five megabytes', { kind: 'answer', status: 200, body: ' '.repeat(5e6) }, 'ERR_REGISTRY'],
  ])('are refused with %s', async (_, fault, code) => {
    proxy.always(/^GET .*manifests/, fault);
    expect((await rejection(whole())).code).toBe(code);
  });

  test('a registry that says nothing or nonsense in its headers', async () => {
    for (const value of [undefined, 'sha256:12', 'md5:x']) {
      proxy.reset();
      proxy.always(MANIFEST, { kind: 'headers', set: { 'docker-content-digest': value, 'content-type': undefined } });
      expect(await whole()).toBe(digest);
      expect((await client.resolve(name('app:1'))).digest).toBe(digest);
    }
  });

  test.each([405, 501])('a registry that does not know HEAD, status %d, is asked by GET', async (status) => {
    proxy.always(/^HEAD /, { kind: 'answer', status });
    expect(await client.resolve(name('app:1'))).toEqual(image.manifest.descriptor);
  });

  test('HEAD is not believed against the digest that was asked for', async () => {
    proxy.always(/^HEAD /, { kind: 'headers', set: { 'docker-content-digest': `sha256:${'0'.repeat(64)}` } });
    expect((await rejection(client.resolve(name(`app@${digest}`)))).code).toBe('ERR_DIGEST_MISMATCH');
  });

  test('one that is sent encoded is refused, as nobody asked for that', async () => {
    const asked: unknown[] = [];
    const packed = gzipSync(image.manifest.bytes);
    await using encoding = await LocalServer.start((request, response) => {
      asked.push(request.headers['accept-encoding']);
      const { mediaType } = image.manifest.descriptor;
      const headers = { 'content-type': mediaType, 'content-length': packed.length, 'docker-content-digest': digest };
      response.writeHead(200, { ...headers, 'content-encoding': 'gzip' });
      response.end(request.method === 'HEAD' ? undefined : packed);
    });
    const reference = parseReference(`${encoding.host}/app:1`);
    for (const call of [client.manifest(reference), client.resolve(reference)]) {
      const error = await rejection(call);
      expect([error.code, error.message]).toEqual([
        'ERR_REGISTRY',
        expect.stringMatching(/^get manifest 1 of .* sends it with the content encoding "gzip", asked for none$/),
      ]);
    }
    expect(new Set(asked)).toEqual(new Set(['identity']));
  });

  test('the size of an encoded one is not believed', async () => {
    proxy.always(/^HEAD /, { kind: 'headers', set: { 'content-encoding': 'gzip', 'content-length': '100' } });
    expect(await client.resolve(name('app:1'))).toMatchObject({ digest, size: image.manifest.descriptor.size });
  });

  test('one that is sent without encoding, in so many words, is fine', async () => {
    proxy.always(MANIFEST, { kind: 'headers', set: { 'content-encoding': 'Identity' } });
    expect(await whole()).toBe(digest);
  });

  test('one that differs in size from what an index says is refused', async () => {
    const expected = { ...image.manifest.descriptor, size: image.manifest.descriptor.size + 1 };
    expect((await rejection(client.manifest(name('app:1'), { expected }))).code).toBe('ERR_DIGEST_MISMATCH');
  });
});

describe('redirects', () => {
  test('to another host are followed without what is meant for the registry', async () => {
    const asked: (string | undefined)[] = [];
    await using elsewhere = await LocalServer.start((request, response) => {
      asked.push(request.headers.authorization, request.headers.range);
      const [, from = '0'] = /bytes=(\d+)-/.exec(request.headers.range ?? '') ?? [];
      const range = `bytes ${from}-${descriptor.size - 1}/${descriptor.size}`;
      response.writeHead(from === '0' ? 200 : 206, from === '0' ? {} : { 'content-range': range });
      const rest = bytes.subarray(Number(from));
      if (from !== '0') return void response.end(rest);
      response.write(rest.subarray(0, 400_000));
      setTimeout(() => response.destroy(), 50);
    });
    proxy.always(BLOB, {
      kind: 'answer',
      status: 307,
      headers: { location: `http://${elsewhere.host}/signed?key=of-the-cdn` },
    });
    expect((await collect(client.blob(name('app'), descriptor))).equals(bytes)).toBe(true);
    expect(asked).toEqual([undefined, undefined, undefined, 'bytes=400000-']);
  });

  test('are not shown: a signed address is a key', async () => {
    await using elsewhere = await LocalServer.start((_, response) => void response.writeHead(403).end());
    proxy.always(BLOB, {
      kind: 'answer',
      status: 307,
      headers: { location: `http://${elsewhere.host}/x?sig=of-the-cdn` },
    });
    const error = await rejection(collect(client.blob(name('app'), descriptor)));
    expect(error.message).toContain(`${elsewhere.host} answered with status 403`);
    expect(JSON.stringify([error, error.message, error.stack, String(error.cause)])).not.toContain('of-the-cdn');
  });
});

describe('lists', () => {
  const pages = (path: string) => path.replace(/n=1000/, 'n=2');

  test('of many pages', async () => {
    for (const tag of ['a', 'b', 'c', 'd', 'e'])
      await push(client, parseReference(`${proxy.host}/pages/${tag}:1`), image);
    proxy.reset();
    proxy.always(/_catalog/, { kind: 'rewrite', path: pages });
    const all = await client.catalog(proxy.host);
    expect(all).toEqual(['app', 'pages/a', 'pages/b', 'pages/c', 'pages/d', 'pages/e']);
    expect(proxy.matching(/_catalog/)).toHaveLength(3);
  });

  test.each([
    ['that go on elsewhere', '<http://192.0.2.1/v2/_catalog>; rel="next"', 'has the rest of a list elsewhere'],
    ['that go in circles', '</v2/_catalog?n=1>; rel="next"', 'has a list without end'],
  ])('%s', async (_, link, problem) => {
    proxy.always(/_catalog/, { kind: 'answer', status: 200, headers: { link }, body: '{"repositories":["a"]}' });
    const error = await rejection(client.catalog(proxy.host));
    expect([error.code, error.message]).toEqual(['ERR_REGISTRY', expect.stringContaining(problem)]);
  });

  test('with names that are none', async () => {
    proxy.always(/tags\/list/, { kind: 'answer', status: 200, body: '{"tags":["ok","../x","a b",""]}' });
    expect(await client.tags(name('app'))).toEqual(['ok']);
    proxy.reset();
    proxy.always(/tags\/list/, { kind: 'answer', status: 200, body: '{"tags":[1]}' });
    expect((await rejection(client.tags(name('app')))).code).toBe('ERR_IMAGE_INVALID');
    proxy.reset();
    proxy.always(/tags\/list/, { kind: 'answer', status: 200, body: '{"tags":null}' });
    expect(await client.tags(name('app'))).toEqual([]);
  });
});
