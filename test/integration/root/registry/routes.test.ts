import { connect } from 'node:net';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseReference, type Reference } from '../../../../lib/image/reference.js';
import type { RegistryClient } from '../../../../lib/image/registry/client.js';
import { FaultProxy, type Fault } from '../../../support/fault-proxy.js';
import { LocalServer } from '../../../support/http-server.js';
import { startRegistry, USER, type TestRegistry } from '../../../support/registry.js';
import { rejection } from '../../../support/rejection.js';
import { blob, collect, push, sampleImage, sourceOf } from '../../../support/sample-image.js';
import { BASIC, expectNoSecret, using } from '../../../support/secrets.js';

const image = sampleImage([500_000]);
const { descriptor, bytes } = image.layers[0]!;
const BLOB = / \/v2\/.*\/blobs\/sha256/;

describe('mirrors', () => {
  let origin: TestRegistry;
  let copy: TestRegistry;
  let upstream: FaultProxy;
  let first: FaultProxy;
  let second: FaultProxy;
  const name = (): Reference => parseReference(`${upstream.host}/team/app:1`);
  const mirrors = () => ({ mirrors: { [upstream.host]: [`${first.host}/cache`, `http://${second.host}`] } });

  beforeAll(async () => {
    [origin, copy] = await Promise.all([startRegistry(), startRegistry({ htpasswd: true })]);
    upstream = await FaultProxy.start(origin.host);
    first = await FaultProxy.start(copy.host);
    second = await FaultProxy.start(origin.host);
    await using({ auth: { [copy.host]: USER } }, async (client) => {
      await push(client, parseReference(`${origin.host}/team/app:1`), image);
      await push(client, parseReference(`${copy.host}/cache/team/app:1`), image);
    });
  });

  beforeEach(() => [upstream, first, second].forEach((proxy) => proxy.reset()));

  afterAll(async () => {
    for (const each of [upstream, first, second, origin, copy]) await each[Symbol.asyncDispose]();
  });

  const asked = () => [first, second, upstream].map((proxy) => proxy.seen.filter(({ path }) => path !== '/v2/').length);

  test('are asked in their order, each with its own name for things and its own credentials', async () => {
    const auth = { [first.host]: USER, [upstream.host]: { username: 'other', password: 'other horse' } };
    await using({ ...mirrors(), auth }, async (client) => {
      expect((await client.manifest(name())).descriptor).toEqual(image.manifest.descriptor);
      expect((await collect(client.blob(name(), descriptor))).equals(bytes)).toBe(true);
    });
    expect(asked()).toEqual([3, 0, 0]);
    expect(first.matching(/manifests/).map(({ path, authorization }) => [path, authorization])).toEqual([
      ['/v2/cache/team/app/manifests/1', undefined],
      ['/v2/cache/team/app/manifests/1', `Basic ${BASIC}`],
    ]);
  });

  test('of Docker Hub, by any of its names', async () => {
    const auth = { [first.host]: USER };
    await using({ mirrors: { 'Index.Docker.IO': [`${first.host}/cache`] }, auth }, async (client) => {
      expect((await client.manifest(parseReference('team/app:1'))).descriptor).toEqual(image.manifest.descriptor);
    });
  });

  test('that keep us out, have it not or are broken give way to the next, and to the registry', async () => {
    await using(mirrors(), async (client) => {
      expect((await client.manifest(name())).descriptor).toEqual(image.manifest.descriptor);
      expect(asked()).toEqual([1, 1, 0]);
      second.always(/./, { kind: 'answer', status: 500 });
      expect((await client.resolve(name())).digest).toBe(image.manifest.descriptor.digest);
      expect(asked()).toEqual([2, 3, 1]);
      second.reset();
      second.always(/./, { kind: 'answer', status: 404 });
      expect((await collect(client.blob(name(), descriptor))).equals(bytes)).toBe(true);
    });
  });

  test('that break off are gone on from elsewhere', async () => {
    second.always(BLOB, { kind: 'cut', after: 200_000 });
    await using({ ...mirrors(), attempts: 1 }, async (client) => {
      expect((await collect(client.blob(name(), descriptor))).equals(bytes)).toBe(true);
    });
    expect(second.matching(BLOB).map(({ range }) => range)).toEqual([undefined]);
    expect(upstream.matching(BLOB).map(({ range }) => range)).toEqual(['bytes=200000-']);
  });

  test('that give something else are not asked for it again', async () => {
    second.always(BLOB, { kind: 'corrupt', at: 100 });
    await using(mirrors(), async (client) => {
      expect((await rejection(collect(client.blob(name(), descriptor)))).code).toBe('ERR_DIGEST_MISMATCH');
      expect((await collect(client.blob(name(), descriptor))).equals(bytes)).toBe(true);
    });
    expect([second.matching(BLOB).length, upstream.matching(BLOB).length]).toEqual([1, 1]);
  });

  test('that give something else are known to clients with other credentials, too', async () => {
    second.always(BLOB, { kind: 'corrupt', at: 100 });
    await using(mirrors(), async (client) => {
      const other = (): RegistryClient => client.withCredentials(upstream.host, USER);
      expect((await rejection(collect(other().blob(name(), descriptor)))).code).toBe('ERR_DIGEST_MISMATCH');
      expect((await collect(other().blob(name(), descriptor))).equals(bytes)).toBe(true);
      expect((await collect(client.blob(name(), descriptor))).equals(bytes)).toBe(true);
    });
    expect([second.matching(BLOB).length, upstream.matching(BLOB).length]).toEqual([1, 2]);
  });

  test.each<[string, Fault]>([
    ['a manifest that is damaged', { kind: 'corrupt', at: 10 }],
    [
      'another manifest',
      { kind: 'answer', status: 200, body: Buffer.from(sampleImage([1]).manifest.bytes).toString() },
    ],
  ])('that give %s are no harm where there is a digest', async (_, fault) => {
    second.always(/manifests/, fault);
    const reference = parseReference(`${upstream.host}/team/app@${image.manifest.descriptor.digest}`);
    await using(mirrors(), async (client) => {
      expect((await client.manifest(reference)).descriptor).toEqual(image.manifest.descriptor);
    });
    expect(upstream.matching(/manifests/)).toHaveLength(1);
  });

  test('are named when the registry fails too', async () => {
    for (const proxy of [second, upstream]) proxy.always(/manifests/, { kind: 'answer', status: 404 });
    const error = await rejection(using(mirrors(), (client) => client.manifest(name())));
    expect(error.code).toBe('ERR_IMAGE_NOT_FOUND');
    expect(error.message).toMatch(new RegExp(`a mirror failed before: .*${first.host}/cache/team/app: .*password\n`));
    expect(error.message).toMatch(new RegExp(`a mirror failed before: .*${second.host}/team/app: .*status 404$`));
  });

  test('are no reason to leave out what to do about it', async () => {
    for (const proxy of [first, second, upstream]) proxy.always(/manifests/, { kind: 'answer', status: 403 });
    const { hint, message } = await rejection(using(mirrors(), (client) => client.manifest(name())));
    expect(hint).toBe('these credentials do not allow it');
    expect(message.split('\n').map((line) => line.includes(hint!))).toEqual([false, false, false, true]);
  });

  test('are for pulling only', async () => {
    const { descriptor: own, bytes: content } = blob(Buffer.from('pushed'));
    await using(mirrors(), (client) => client.uploadBlob(name(), own, sourceOf(content)));
    expect(asked().slice(0, 2)).toEqual([0, 0]);
  });
});

/** A proxy of the kind that companies have, which knows where `registry.test` is. */
class CompanyProxy implements AsyncDisposable {
  readonly seen: string[] = [];
  readonly authorizations: (string | undefined)[] = [];
  #server: LocalServer | undefined;

  static async start(registry: string): Promise<CompanyProxy> {
    const proxy = new CompanyProxy();
    const [host, port] = registry.split(':');
    proxy.#server = await LocalServer.start((request, response) => {
      proxy.#note(`${request.method ?? ''} ${request.url ?? ''}`, request.headers['proxy-authorization']);
      const { pathname, search } = new URL(request.url ?? '');
      const { method, headers } = request;
      const onward = httpRequest({ host, port, method, path: pathname + search, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      request.pipe(onward);
    });
    proxy.#server.server.on('connect', (request, socket) => {
      proxy.#note(`CONNECT ${request.url ?? ''}`, request.headers['proxy-authorization']);
      if (request.headers['proxy-authorization'] === undefined)
        return void socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      const onward = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.pipe(onward).pipe(socket);
      });
      for (const end of [socket, onward]) end.on('error', () => [socket, onward].forEach((each) => each.destroy()));
    });
    return proxy;
  }

  get host(): string {
    return this.#server!.host;
  }

  #note(line: string, authorization: string | undefined): void {
    this.seen.push(line);
    this.authorizations.push(authorization);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server![Symbol.asyncDispose]();
  }
}

describe('a proxy', () => {
  let registry: TestRegistry;
  let proxy: CompanyProxy;
  const login = `Basic ${Buffer.from('me:correct horse').toString('base64')}`;
  const env = () => ({
    HTTP_PROXY: `http://me:correct%20horse@${proxy.host}`,
    HTTPS_PROXY: `http://me:correct%20horse@${proxy.host}`,
  });

  beforeAll(async () => {
    registry = await startRegistry();
    proxy = await CompanyProxy.start(registry.host);
  });

  beforeEach(() => {
    proxy.seen.length = 0;
    proxy.authorizations.length = 0;
  });

  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });

  test('carries plain requests to a host that is named as insecure', async () => {
    await using({ env: env(), insecure: ['registry.test:5000'] }, async (client) => {
      await push(client, parseReference('registry.test:5000/app:1'), image);
      const pulled = await collect(client.blob({ registry: 'registry.test:5000', repository: 'app' }, descriptor));
      expect(pulled.equals(bytes)).toBe(true);
    });
    // First whether it can TLS, which it cannot.
    expect(proxy.seen.slice(0, 2)).toEqual([
      'CONNECT registry.test:5000',
      `HEAD http://registry.test:5000/v2/app/blobs/${descriptor.digest}`,
    ]);
    expect(new Set(proxy.authorizations)).toEqual(new Set([login]));
  });

  test('is asked for a tunnel to all others, and no request leaves without TLS', async () => {
    const error = await rejection(using({ env: env() }, (client) => client.ping('registry.test')));
    expect(error.code).toBe('ERR_REGISTRY_UNREACHABLE');
    expect(error.message).toContain(`registry.test, through the proxy ${proxy.host}, does not speak TLS`);
    expectNoSecret(error);
    expect(new Set(proxy.seen)).toEqual(new Set(['CONNECT registry.test:443']));
  });

  test('that refuses is named', async () => {
    const given = { HTTPS_PROXY: `http://${proxy.host}` };
    const error = await rejection(using({ env: given }, (client) => client.ping('registry.test')));
    expect([error.code, error.message]).toEqual([
      'ERR_REGISTRY_UNREACHABLE',
      expect.stringContaining(`through the proxy ${proxy.host}`),
    ]);
  });

  test('is not used for this machine', async () => {
    await using({ env: env() }, (client) => client.ping(registry.host));
    expect(proxy.seen).toEqual([]);
  });

  test('whose address makes no sense is an error that does not show it', async () => {
    const given = { HTTPS_PROXY: 'socks5://me:correct horse@x' };
    const error = await rejection(using({ env: given }, (client) => client.ping('registry.test')));
    expect([error.code, error.message]).toEqual(['ERR_INVALID_OPTION', expect.stringContaining('HTTPS_PROXY')]);
    expectNoSecret(error);
  });
});
