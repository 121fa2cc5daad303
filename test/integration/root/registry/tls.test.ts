import { mkdirSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseReference } from '../../../../lib/image/reference.js';
import type { RegistryOptions } from '../../../../lib/image/registry/options.js';
import { TestAuthority, type Certificate } from '../../../support/authority.js';
import { LocalServer } from '../../../support/http-server.js';
import { startRegistry, USER, type TestRegistry } from '../../../support/registry.js';
import { rejection } from '../../../support/rejection.js';
import { collect, push, sampleImage } from '../../../support/sample-image.js';
import { makeScratch } from '../../../support/scratch.js';
import { expectNoSecret, using } from '../../../support/secrets.js';
import { TokenServer } from '../../../support/token-server.js';

const image = sampleImage([1000]);
let authority: TestAuthority;
let server: Certificate;
let person: Certificate;

beforeAll(() => {
  authority = new TestAuthority();
  server = authority.issue('server', ['IP:127.0.0.1'], 'serverAuth');
  person = authority.issue('person', [], 'clientAuth');
});

afterAll(() => authority[Symbol.dispose]());

describe('a registry with a certificate of an authority of its own', () => {
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startRegistry({ tls: server });
  });
  afterAll(() => registry[Symbol.asyncDispose]());

  const pushed = (options: RegistryOptions, host = registry.host) =>
    using(options, async (client) => {
      const reference = parseReference(`${host}/app:1`);
      await push(client, reference, image);
      return client.resolve(reference);
    });

  test('is trusted when the authority is, by options', async () => {
    expect(await pushed({ tls: { [registry.host]: { ca: authority.pem } } })).toEqual(image.manifest.descriptor);
  });

  test('is trusted when the authority is, by a directory', async () => {
    using scratch = makeScratch('certs', '1m');
    mkdirSync(join(scratch.path, registry.host));
    writeFileSync(join(scratch.path, registry.host, 'ca.crt'), authority.pem);
    const certificateDirectories = ['/nowhere', scratch.path];
    expect((await pushed({ certificateDirectories })).size).toBeGreaterThan(0);
  });

  test.each<[string, (host: string) => RegistryOptions, (host: string) => string]>([
    ['by nobody', () => ({}), (host) => host],
    ['for another host only', () => ({ tls: { 'other:1': { ca: authority.pem } } }), (host) => host],
    ['even where plain HTTP is allowed', (host) => ({ insecure: [host] }), (host) => host],
    [
      'under another name',
      (host) => ({ tls: { [host.replace('127.0.0.1', 'localhost')]: { ca: authority.pem } } }),
      (host) => host.replace('127.0.0.1', 'localhost'),
    ],
  ])('is not trusted %s', async (_, options, host) => {
    const error = await rejection(pushed(options(registry.host), host(registry.host)));
    expect([error.code, error.message]).toEqual([
      'ERR_REGISTRY_UNREACHABLE',
      expect.stringContaining('has a certificate that is not trusted'),
    ]);
    expect(error.hint).toContain(`/etc/docker/certs.d/${host(registry.host)}/ca.crt`);
  });
});

describe('a registry that wants to know who is there', () => {
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startRegistry({ tls: { ...server, clientAuthority: authority.certificate } });
  });
  afterAll(() => registry[Symbol.asyncDispose]());

  test('lets in who has a certificate, by options', async () => {
    const { cert, key } = person.pem;
    const tls = { [registry.host]: { ca: authority.pem, cert, key } };
    await using({ tls }, (client) => client.ping(registry.host));
  });

  test('lets in who has a certificate, by a directory', async () => {
    using scratch = makeScratch('certs', '1m');
    const directory = join(scratch.path, registry.host);
    mkdirSync(directory);
    writeFileSync(join(directory, 'ca.crt'), authority.pem);
    writeFileSync(join(directory, 'client.cert'), person.pem.cert);
    const certificateDirectories = [scratch.path];
    const early = await rejection(using({ certificateDirectories }, (client) => client.ping(registry.host)));
    expect([early.code, early.message]).toEqual([
      'ERR_INVALID_OPTION',
      expect.stringContaining('client.key is missing'),
    ]);
    writeFileSync(join(directory, 'client.key'), person.pem.key);
    await using({ certificateDirectories }, (client) => client.ping(registry.host));
  });

  test('keeps out who has none', async () => {
    const tls = { [registry.host]: { ca: authority.pem } };
    const error = await rejection(using({ tls }, (client) => client.ping(registry.host)));
    expect([error.code, error.message]).toEqual([
      'ERR_REGISTRY_UNREACHABLE',
      expect.stringContaining('broke the connection'),
    ]);
  });
});

describe('from TLS to somewhere else', () => {
  const image2 = sampleImage([10]);
  let tokens: TokenServer;
  let registry: TestRegistry;
  beforeAll(async () => {
    tokens = await TokenServer.start(() => true, server.pem);
    registry = await startRegistry({ tls: server, token: tokens.setUp });
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await tokens[Symbol.asyncDispose]();
  });

  test("the token service of a registry is trusted by the registry's own authority", async () => {
    const options = { tls: { [registry.host]: { ca: authority.pem } }, auth: { [registry.host]: USER } };
    const reference = parseReference(`${registry.host}/app:1`);
    await using(options, async (client) => {
      await push(client, reference, image2);
      await collect(client.blob(reference, image2.layers[0]!.descriptor));
    });
    expect(tokens.seen.length).toBeGreaterThan(0);
  });

  test.each<[string, (plain: string) => [number, Record<string, string>]]>([
    ['a redirect', (plain) => [307, { location: `http://${plain}/v2/` }]],
    ['a token service', (plain) => [401, { 'www-authenticate': `Bearer realm="http://${plain}/token"` }]],
  ])('%s in plain HTTP is refused, and nothing is sent there', async (_, answer) => {
    const seen: string[] = [];
    await using plain = await LocalServer.start((request, response) => {
      seen.push(request.url ?? '');
      response.end();
    });
    await using secure = await LocalServer.start((_request, response) => {
      response.writeHead(...answer(plain.host)).end();
    }, server.pem);
    const options = { tls: { [secure.host]: { ca: authority.pem } }, auth: { [secure.host]: USER } };
    const reference = parseReference(`${secure.host}/app:1`);
    const error = await rejection(using(options, (client) => client.manifest(reference)));
    expect([error.code, error.message]).toEqual(['ERR_REGISTRY', expect.stringContaining('less safe')]);
    expectNoSecret(error);
    expect(seen).toEqual([]);
  });

  test('a client certificate is shown to nobody else', async () => {
    const shown: boolean[] = [];
    const asks = { ...server.pem, requestCert: true, rejectUnauthorized: false };
    const note = ({ socket }: IncomingMessage): void => {
      if (socket instanceof TLSSocket) shown.push(Object.keys(socket.getPeerCertificate()).length > 0);
    };
    await using elsewhere = await LocalServer.start((request, response) => {
      note(request);
      response.writeHead(404).end();
    }, asks);
    await using first = await LocalServer.start((request, response) => {
      note(request);
      response.writeHead(307, { location: `https://${elsewhere.host}/` }).end();
    }, asks);
    const { cert, key } = person.pem;
    const options = { tls: { [first.host]: { ca: authority.pem, cert, key } } };
    const error = await rejection(using(options, (client) => client.manifest(parseReference(`${first.host}/app:1`))));
    expect([error.code, shown]).toEqual(['ERR_IMAGE_NOT_FOUND', [true, true, false]]);
  });
});
