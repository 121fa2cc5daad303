import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseReference, type Reference } from '../../../../lib/image/reference.js';
import { FaultProxy } from '../../../support/fault-proxy.js';
import { bodyOf, LocalServer } from '../../../support/http-server.js';
import { startRegistry, USER, type TestRegistry } from '../../../support/registry.js';
import { rejection } from '../../../support/rejection.js';
import { blob, collect, sampleImage, push, sourceOf } from '../../../support/sample-image.js';
import { expectNoSecret, using } from '../../../support/secrets.js';

const SIZE = 600_000;
const content = () => blob(Buffer.alloc(SIZE, Math.random().toString(36)));

/** In front of a registry: passes everything on, but what matches leads elsewhere, to the same path. */
class Redirector implements AsyncDisposable {
  readonly led: string[] = [];
  readonly #registry: string;
  pattern = /^$/;
  status = 307;
  to = '';
  /** How many requests are led on. */
  most = Infinity;
  /** Whether bodies are read before they are led on; the connection ends otherwise. */
  isPatient = true;
  #server: LocalServer | undefined;

  constructor(registry: string) {
    this.#registry = registry;
  }

  static async start(registry: string): Promise<Redirector> {
    const redirector = new Redirector(registry);
    redirector.#server = await LocalServer.start((request, response) => void redirector.#answer(request, response));
    return redirector;
  }

  get host(): string {
    return this.#server!.host;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    if (this.pattern.test(method) && this.led.length < this.most) {
      this.led.push(method);
      if (this.isPatient) await bodyOf(request);
      else headers.connection = 'close';
      response.writeHead(this.status, { location: `${this.to}${url}` }).end();
      return;
    }
    const [host, port] = this.#registry.split(':');
    const onward = httpRequest({ host, port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server![Symbol.asyncDispose]();
  }
}

describe('an upload that is led elsewhere', () => {
  let registry: TestRegistry;
  let front: Redirector;
  let behind: FaultProxy;
  const name = (rest: string): Reference => parseReference(`${front.host}/${rest}`);

  beforeAll(async () => {
    registry = await startRegistry();
    front = await Redirector.start(registry.host);
    behind = await FaultProxy.start(registry.host);
  });

  beforeEach(() => {
    behind.reset();
    Object.assign(front, { pattern: /^$/, status: 307, to: `http://${behind.host}`, isPatient: true });
    front.led.length = 0;
  });

  afterAll(async () => {
    for (const each of [behind, front, registry]) await each[Symbol.asyncDispose]();
  });

  test.each<[string, RegExp, 'whole' | 'single' | 'chunks', number, boolean]>([
    ['where it begins', /^POST$/, 'whole', 307, true],
    ['with all of it', /^PUT$/, 'whole', 307, true],
    ['with all of it, before it was read', /^PUT$/, 'whole', 308, false],
    ['with all of it at once', /^POST$/, 'single', 308, true],
    ['in chunks', /^PATCH$/, 'chunks', 307, true],
    ['with every request', /^(POST|PATCH|PUT)$/, 'chunks', 308, true],
  ])('%s', async (_, pattern, method, status, isPatient) => {
    const { descriptor, bytes } = content();
    Object.assign(front, { pattern, status, isPatient });
    await using({ attempts: 1, insecure: [front.host] }, async (client) => {
      const options = { method, chunkBytes: 250_000 };
      expect(await client.uploadBlob(name('app'), descriptor, sourceOf(bytes), options)).toBe('uploaded');
      front.pattern = /^$/;
      expect((await collect(client.blob(name('app'), descriptor))).equals(bytes)).toBe(true);
    });
    expect(front.led.length).toBeGreaterThan(0);
  });

  test('a whole image', async () => {
    front.pattern = /^(POST|PATCH|PUT)$/;
    const image = sampleImage([300_000]);
    await using({ attempts: 1 }, async (client) => {
      await push(client, name('image:1'), image);
      expect((await client.resolve(name('image:1'))).digest).toBe(image.manifest.descriptor.digest);
    });
    // Blobs stay where they were led to; the manifest is another request.
    expect(front.led).toEqual(['POST', 'POST', 'PUT']);
  });

  test('without end is given up', async () => {
    const { descriptor, bytes } = content();
    Object.assign(front, { pattern: /^PUT$/, to: `http://${front.host}` });
    await using({ attempts: 1 }, async (client) => {
      const error = await rejection(client.uploadBlob(name('circle'), descriptor, sourceOf(bytes)));
      expect([error.code, error.message]).toEqual(['ERR_REGISTRY', expect.stringContaining('more than 5 times')]);
    });
    expect(front.led).toHaveLength(6);
  });

  test('by an answer that does not keep the method is not followed', async () => {
    const { descriptor, bytes } = content();
    Object.assign(front, { pattern: /^PUT$/, status: 302 });
    await using({ attempts: 1 }, async (client) => {
      const error = await rejection(client.uploadBlob(name('found'), descriptor, sourceOf(bytes)));
      expect([error.code, error.message]).toEqual(['ERR_REGISTRY', expect.stringContaining('302')]);
    });
    expect(behind.matching(/^PUT /)).toEqual([]);
  });
});

test('credentials stay with the registry that they are for', async () => {
  await using registry = await startRegistry({ htpasswd: true });
  await using front = await Redirector.start(registry.host);
  await using behind = await FaultProxy.start(registry.host);
  Object.assign(front, { pattern: /^PUT$/, to: `http://${behind.host}` });
  const { descriptor, bytes } = content();
  const name = parseReference(`${front.host}/app`);
  await using({ attempts: 1, auth: { [front.host]: USER } }, async (client) => {
    const error = await rejection(client.uploadBlob(name, descriptor, sourceOf(bytes)));
    expect(error.code).toBe('ERR_UNAUTHORIZED');
    expectNoSecret(error);
    expect(behind.matching(/^PUT /).map(({ authorization }) => authorization)).toEqual([undefined]);

    // On the same origin they are needed, and kept.
    front.led.length = 0;
    Object.assign(front, { to: `http://${front.host}`, most: 1 });
    expect(await client.uploadBlob(name, descriptor, sourceOf(bytes))).toBe('uploaded');
    expect(front.led).toEqual(['PUT']);
  });
});

test('a form with a password is sent nowhere else', async () => {
  const asked: string[] = [];
  await using elsewhere = await LocalServer.start((request, response) => {
    asked.push(request.method ?? '');
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"token":"x"}');
  });
  await using registry = await LocalServer.start((request, response) => {
    const realm = `http://${registry.host}/token`;
    if (request.method === 'POST') response.writeHead(307, { location: `http://${elsewhere.host}/token` });
    else if (request.url?.startsWith('/token') === true) response.writeHead(404);
    else response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}",service="x"` });
    response.end();
  });
  await using({ attempts: 1, auth: { [registry.host]: USER } }, async (client) => {
    expect((await rejection(client.tags(parseReference(`${registry.host}/app`)))).code).toBe('ERR_REGISTRY');
  });
  expect(asked).toEqual([]);
});
