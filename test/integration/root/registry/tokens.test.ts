import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseReference, type Reference } from '../../../../lib/image/reference.js';
import type { RegistryOptions } from '../../../../lib/image/registry/options.js';
import { FaultProxy } from '../../../support/fault-proxy.js';
import { startRegistry, USER, type TestRegistry } from '../../../support/registry.js';
import { rejection } from '../../../support/rejection.js';
import { blob, collect, push, sampleImage, sourceOf } from '../../../support/sample-image.js';
import { BASIC, expectNoSecret, using, visible } from '../../../support/secrets.js';
import { IDENTITY_TOKEN, TokenServer } from '../../../support/token-server.js';

const image = sampleImage([1000]);

describe('a registry with a token service', () => {
  let tokens: TokenServer;
  let registry: TestRegistry;
  let proxy: FaultProxy;
  const name = (rest: string): Reference => parseReference(`${proxy.host}/${rest}`);
  const auth = (): RegistryOptions => ({ auth: { [proxy.host]: USER } });
  const scopes = () => tokens.seen.map(({ parameters }) => parameters.getAll('scope').join(' '));

  beforeAll(async () => {
    tokens = await TokenServer.start((repository) => repository.startsWith('public/'));
    registry = await startRegistry({ token: tokens.setUp });
    proxy = await FaultProxy.start(registry.host);
    await using(auth(), async (client) => {
      await push(client, name('public/app:1'), image);
      await push(client, name('private/app:1'), image);
    });
  });

  beforeEach(() => {
    proxy.reset();
    tokens.seen.length = 0;
    tokens.lifeSeconds = 300;
    tokens.hasQueries = true;
    tokens.hidden = undefined;
  });

  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await tokens[Symbol.asyncDispose]();
  });

  test('gives to anybody what is public, with one token for all requests', async () => {
    await using({}, async (client) => {
      await client.manifest(name('public/app:1'));
      for (const { descriptor } of image.layers) await collect(client.blob(name('public/app'), descriptor));
    });
    expect(scopes()).toEqual(['repository:public/app:pull']);
    expect(tokens.seen[0]).toMatchObject({ method: 'GET', authorization: undefined });
    expect(tokens.seen[0]?.parameters.get('service')).toBe(tokens.service);
  });

  test('keeps what is private', async () => {
    const error = await rejection(using({}, (client) => client.manifest(name('private/app:1'))));
    expect([error.code, error.message]).toEqual(['ERR_UNAUTHORIZED', expect.stringContaining('UNAUTHORIZED')]);
    expectNoSecret(error);
    const wrong = { auth: { [proxy.host]: { username: 'me', password: 'wrong horse' } } };
    const refused = await rejection(using(wrong, (client) => client.manifest(name('private/app:1'))));
    // The service echoes what it was sent.
    expect(refused.message).toContain('UNAUTHORIZED: no Basic ***');
    expect(visible(refused)).not.toContain(Buffer.from('me:wrong horse').toString('base64'));
  });

  test.each<[string, object, boolean, string[]]>([
    ['a password', USER, true, ['GET']],
    ['a password, where there are forms only', USER, false, ['GET', 'POST']],
    ['an identity token', { identityToken: IDENTITY_TOKEN }, true, ['POST']],
  ])('lets in with %s', async (_, credentials, hasQueries, methods) => {
    tokens.hasQueries = hasQueries;
    await using({ auth: { [proxy.host]: credentials as never } }, (client) => client.manifest(name('private/app:1')));
    expect(tokens.seen.map(({ method }) => method)).toEqual(methods);
    expect(tokens.seen.at(-1)?.parameters.get('scope')).toBe('repository:private/app:pull');
  });

  test('lets in with a token that is already one', async () => {
    const { token } = (await (
      await fetch(`${tokens.realm}?service=x&scope=repository:private/app:pull`, {
        headers: { authorization: `Basic ${BASIC}` },
      })
    ).json()) as { token: string };
    tokens.seen.length = 0;
    await using({ auth: { [proxy.host]: { registryToken: token } } }, (client) =>
      client.manifest(name('private/app:1')),
    );
    expect(tokens.seen).toEqual([]);
    const wrong = { auth: { [proxy.host]: { registryToken: 'eyJnothing' } } };
    const error = await rejection(using(wrong, (client) => client.manifest(name('private/app:1'))));
    expect(error.code).toBe('ERR_UNAUTHORIZED');
    expectNoSecret(error);
  });

  test('a wrong identity token', async () => {
    const wrong = { auth: { [proxy.host]: { identityToken: 'eyJnothing' } } };
    const error = await rejection(using(wrong, (client) => client.manifest(name('private/app:1'))));
    expect(error.code).toBe('ERR_UNAUTHORIZED');
    expectNoSecret(error);
  });

  test('pushing asks for more than pulling, linking for both repositories', async () => {
    await using(auth(), async (client) => {
      await client.manifest(name('private/app:1'));
      const { descriptor, bytes } = image.layers[0]!;
      expect(
        await client.uploadBlob(name('private/other'), descriptor, sourceOf(bytes), { mountFrom: 'private/app' }),
      ).toBe('mounted');
    });
    expect(scopes()).toEqual([
      'repository:private/app:pull',
      'repository:private/other:pull',
      'repository:private/app:pull repository:private/other:pull,push',
    ]);
  });

  test('a repository that may not be read is no source, and the blob is sent', async () => {
    const { descriptor, bytes } = blob(Buffer.from('known by its digest'));
    await using(auth(), async (client) => {
      await client.uploadBlob(name('hidden/source'), descriptor, sourceOf(bytes));
      tokens.hidden = /^hidden/;
      const options = { mountFrom: 'hidden/source' };
      const sent = await client.uploadBlob(name('private/target'), descriptor, sourceOf(bytes), options);
      expect(sent).toBe('uploaded');
    });
  });

  test('a token that has expired is replaced, without anybody noticing', async () => {
    await using(auth(), async (client) => {
      await client.manifest(name('private/app:1'));
      expect(tokens.seen).toHaveLength(1);
      // The registry says so before our clock does.
      proxy.next(/manifests/, {
        kind: 'answer',
        status: 401,
        headers: {
          'www-authenticate': `Bearer realm="${tokens.realm}",service="${tokens.service}",scope="repository:private/app:pull",error="invalid_token"`,
        },
      });
      await client.manifest(name('private/app:1'));
    });
    expect(tokens.seen).toHaveLength(2);
  });

  test('many at once share one token, and one that gives up takes it from nobody', async () => {
    await using(auth(), async (client) => {
      await client.ping(proxy.host);
      tokens.seen.length = 0;
      const stop = new AbortController();
      const pulls = Array.from({ length: 20 }, (_, index) =>
        client.manifest(name('private/app:1'), index === 0 ? { signal: stop.signal } : {}),
      );
      stop.abort();
      const results = await Promise.allSettled(pulls);
      expect(results.map(({ status }) => status)).toEqual(['rejected', ...Array<string>(19).fill('fulfilled')]);
    });
    expect(tokens.seen).toHaveLength(1);
  });

  test('a token service that fails for a while', async () => {
    tokens.faults.push((response) => response.writeHead(503).end());
    await using({}, (client) => client.manifest(name('public/app:1')));
    expect(tokens.seen).toHaveLength(2);
  });

  test.each<[string, string, string]>([
    ['what is no JSON', 'eyJ<', 'what is no JSON'],
    ['no token', '{}', 'without one'],
    ['nothing', 'null', 'without one'],
    ['a header of its own', JSON.stringify({ token: 'a\r\nx: y' }), 'without one'],
    ['a token without end', JSON.stringify({ token: 'a'.repeat(100_000) }), 'without one'],
  ])('a token service that answers with %s', async (_, body, problem) => {
    tokens.faults.push((response) => response.end(body));
    const error = await rejection(using({}, (client) => client.manifest(name('public/app:1'))));
    expect([error.code, error.message]).toEqual(['ERR_REGISTRY', expect.stringContaining(problem)]);
    expectNoSecret(error);
  });

  test.each([
    ['none', 'Bearer service="x"', 'without a proper address'],
    ['a file', 'Bearer realm="file:///etc/passwd"', 'less safe than itself'],
    ['plain HTTP elsewhere', 'Bearer realm="http://192.0.2.1/token"', 'less safe than itself'],
    ['one with a password', 'Bearer realm="https://me:you@192.0.2.1/token"', 'with a password in its address'],
    ['another way', 'Negotiate', 'of a kind that is not known'],
    ['nothing', '', 'of a kind that is not known'],
  ])('a challenge that names %s', async (_, challenge, problem) => {
    proxy.always(/manifests/, { kind: 'answer', status: 401, headers: { 'www-authenticate': challenge } });
    const error = await rejection(using(auth(), (client) => client.manifest(name('private/app:1'))));
    expect(error.message).toContain(problem);
    expect(tokens.seen).toEqual([]);
  });
});
