import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseReference, type Reference } from '../../../../lib/image/reference.js';
import { RegistryClient } from '../../../../lib/image/registry/client.js';
import type { RegistryOptions } from '../../../../lib/image/registry/options.js';
import { FaultProxy } from '../../../support/fault-proxy.js';
import { LocalServer } from '../../../support/http-server.js';
import { startRegistry, USER, type TestRegistry } from '../../../support/registry.js';
import { rejection } from '../../../support/rejection.js';
import { blob, collect, push, sampleImage, sourceOf } from '../../../support/sample-image.js';
import { makeScratch } from '../../../support/scratch.js';
import { IDENTITY_TOKEN, TokenServer } from '../../../support/token-server.js';

const image = sampleImage([1000]);
const BASIC = Buffer.from(`${USER.username}:${USER.password}`).toString('base64');
const SECRETS = [USER.password, BASIC, IDENTITY_TOKEN, 'eyJ'];

/** Everything that a person could see of an error, at any depth. */
function visible(error: unknown): string {
  const { message, stack, cause } = error as Error;
  return [message, stack, JSON.stringify(error), cause === undefined ? '' : visible(cause)].join('\n');
}

function expectNoSecret(error: unknown): void {
  for (const secret of SECRETS) expect(visible(error)).not.toContain(secret);
}

async function using<T>(options: RegistryOptions, work: (client: RegistryClient) => Promise<T>): Promise<T> {
  await using client = new RegistryClient({
    retryDelayMs: 1,
    attempts: 2,
    env: {},
    useCredentialFiles: false,
    ...options,
  });
  return work(client);
}

describe('a registry with passwords', () => {
  let registry: TestRegistry;
  let proxy: FaultProxy;
  const name = (rest: string): Reference => parseReference(`${proxy.host}/${rest}`);
  const auth = (): RegistryOptions => ({ auth: { [proxy.host]: USER } });

  beforeAll(async () => {
    registry = await startRegistry({ htpasswd: true });
    proxy = await FaultProxy.start(registry.host);
    await using(auth(), (client) => push(client, name('app:1'), image));
  });

  beforeEach(() => proxy.reset());

  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });

  test('lets in who knows one', async () => {
    await using(auth(), async (client) => {
      await client.ping(proxy.host);
      expect((await client.resolve(name('app:1'))).digest).toBe(image.manifest.descriptor.digest);
    });
    // Asked once, known from then on.
    expect(proxy.matching(/^GET \/v2\/$/).map(({ authorization }) => authorization)).toEqual([
      undefined,
      `Basic ${BASIC}`,
    ]);
    expect(proxy.matching(/^HEAD/)).toHaveLength(1);
  });

  test.each<[string, RegistryOptions['auth'], string]>([
    ['nobody', {}, 'asks for a name and a password'],
    ['a wrong password', { any: { username: 'me', password: 'wrong horse' } }, 'answered with status 401'],
    [
      'an identity token, which is of no use here',
      { any: { identityToken: IDENTITY_TOKEN } },
      'asks for a name and a password',
    ],
  ])('keeps out %s', async (_, given, problem) => {
    const own = given?.['any'] === undefined ? {} : { [proxy.host]: given['any'] };
    const error = await rejection(using({ auth: own }, (client) => client.manifest(name('app:1'))));
    expect([error.code, error.message]).toEqual(['ERR_UNAUTHORIZED', expect.stringContaining(problem)]);
    expect(error.message).toContain("pass the option 'auth'");
    expectNoSecret(error);
    expect(proxy.seen.length).toBeLessThan(4);
  });

  test('credentials of one call, with the connections of another client', async () => {
    await using({}, async (client) => {
      expect((await rejection(client.resolve(name('app:1')))).code).toBe('ERR_UNAUTHORIZED');
      const other = client.withCredentials(proxy.host, USER);
      expect((await other.resolve(name('app:1'))).digest).toBe(image.manifest.descriptor.digest);
      await other.close();
      expect((await rejection(client.resolve(name('app:1')))).code).toBe('ERR_UNAUTHORIZED');
    });
  });

  test('secrets stay behind when the way leads to another host', async () => {
    const asked: unknown[] = [];
    await using elsewhere = await LocalServer.start((request, response) => {
      asked.push(request.headers.authorization);
      response.writeHead(401, { 'www-authenticate': 'Basic realm="give it to me"' }).end();
    });
    const { descriptor } = image.layers[0]!;
    for (const location of [`http://${elsewhere.host}/x`, `http://localhost:${elsewhere.host.split(':')[1] ?? ''}/x`]) {
      proxy.reset();
      proxy.always(/blobs/, { kind: 'answer', status: 307, headers: { location } });
      const error = await rejection(using(auth(), (client) => collect(client.blob(name('app'), descriptor))));
      expect(error.code).toBe('ERR_UNAUTHORIZED');
    }
    expect(asked).toEqual([undefined, undefined, undefined, undefined]);
  });

  test('secrets stay behind when an upload goes to another host', async () => {
    const asked: unknown[] = [];
    await using elsewhere = await LocalServer.start((request, response) => {
      asked.push(request.headers.authorization);
      request.resume().on('end', () => response.writeHead(201).end());
    });
    const { descriptor, bytes } = blob(Buffer.from('to be sent'));
    proxy.always(/^POST/, { kind: 'answer', status: 202, headers: { location: `http://${elsewhere.host}/up` } });
    await using(auth(), async (client) => {
      await client.ping(proxy.host);
      await client.uploadBlob(name('app'), descriptor, sourceOf(bytes));
    });
    expect(asked).toEqual([undefined]);
  });

  test('an echo of what was sent is not shown', async () => {
    const echo = JSON.stringify({ errors: [{ code: 'DENIED', message: `you sent Basic ${BASIC}, ${USER.password}` }] });
    proxy.always(/manifests/, { kind: 'answer', status: 403, body: echo });
    const error = await rejection(
      using(auth(), async (client) => {
        await client.ping(proxy.host);
        return client.manifest(name('app:1'));
      }),
    );
    expect(error.message).toContain('DENIED: you sent Basic ***, ***');
    expectNoSecret(error);
  });

  describe('credentials that other tools left', () => {
    const scratch = makeScratch('login', '4m');
    afterAll(() => scratch[Symbol.dispose]());
    let turn = 0;

    /** A home with these files. */
    function home(files: Readonly<Record<string, string>>): string {
      const directory = join(scratch.path, String(turn++));
      for (const [path, content] of Object.entries(files)) {
        mkdirSync(join(directory, path, '..'), { recursive: true });
        writeFileSync(join(directory, path), content);
        if (content.startsWith('#!')) chmodSync(join(directory, path), 0o755);
      }
      return directory;
    }

    const resolves = (env: Record<string, string>) =>
      using({ useCredentialFiles: true, env }, (client) => client.resolve(name('app:1')));
    const auths = () => JSON.stringify({ auths: { [proxy.host]: { auth: BASIC } } });

    test.each<[string, (content: string) => Record<string, string>]>([
      ["Docker's file", (content) => ({ HOME: home({ '.docker/config.json': content }) })],
      ["Docker's directory", (content) => ({ HOME: '/nowhere', DOCKER_CONFIG: home({ 'config.json': content }) })],
      [
        "Podman's file",
        (content) => ({ HOME: '/nowhere', XDG_RUNTIME_DIR: home({ 'containers/auth.json': content }) }),
      ],
      ['a file by name', (content) => ({ REGISTRY_AUTH_FILE: join(home({ mine: content }), 'mine') })],
      ['the environment', (content) => ({ HOME: '/nowhere', DOCKER_AUTH_CONFIG: content })],
    ])('%s', async (_, env) => {
      expect((await resolves(env(auths()))).digest).toBe(image.manifest.descriptor.digest);
    });

    const helper = (script: string) => ({
      '.docker/config.json': JSON.stringify({ credHelpers: { [proxy.host]: 'mine' }, auths: { [proxy.host]: {} } }),
      'bin/docker-credential-mine': `#!/bin/sh\n${script}\n`,
    });
    const withHelper = (script: string) => {
      const directory = home(helper(script));
      return { HOME: directory, PATH: `${join(directory, 'bin')}:${process.env['PATH'] ?? ''}` };
    };
    const gives = `read server; [ "$1 $server" = "get HOST" ] && echo '{"ServerURL":"HOST","Username":"me","Secret":"correct horse"}'`;

    test('a helper that knows', async () => {
      expect((await resolves(withHelper(gives.replaceAll('HOST', proxy.host)))).size).toBeGreaterThan(0);
    });

    test.each<[string, string, string]>([
      ['that knows nothing', 'echo credentials not found in native keychain; exit 1', 'asks for a name and a password'],
      ['that fails', `echo it is ${USER.password}; exit 3`, 'docker-credential-mine ended with status 3'],
      ['that says something else', `echo ${USER.password}`, 'wrote something else than credentials'],
      ['that is killed', 'kill -9 $$', 'ended with status by a signal'],
      ['that does not stop writing', 'yes', 'wrote more than 1 MiB'],
    ])('a helper %s', async (_, script, problem) => {
      const error = await rejection(resolves(withHelper(script)));
      expect([error.code, error.message]).toEqual(['ERR_UNAUTHORIZED', expect.stringContaining(problem)]);
      expectNoSecret(error);
    });

    test('a helper that is not there', async () => {
      const HOME = home({ '.docker/config.json': '{"credsStore":"missing"}' });
      const error = await rejection(resolves({ HOME, PATH: '/nowhere' }));
      expect([error.code, error.message]).toEqual([
        'ERR_UNAUTHORIZED',
        expect.stringContaining('cannot be started (ENOENT)'),
      ]);
    });

    test.each([
      ['no JSON', `{"auths": {"${USER.password}`],
      ['no base64', JSON.stringify({ auths: { x: { auth: USER.password } } })],
      ['a helper that is a path', JSON.stringify({ credsStore: '../../bin/sh' })],
    ])('a file with %s', async (_, content) => {
      const error = await rejection(resolves({ HOME: home({ '.docker/config.json': content }) }));
      expect(error.code).toBe('ERR_INVALID_OPTION');
      expect(error.message).toContain('.docker/config.json');
      expectNoSecret(error);
    });
  });
});

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
    const secret = blob(Buffer.from('known by its digest'));
    await using(auth(), async (client) => {
      await client.uploadBlob(name('private/source'), secret.descriptor, sourceOf(secret.bytes));
    });
    const error = await rejection(
      using({}, (client) =>
        client.uploadBlob(name('public/target'), secret.descriptor, sourceOf(secret.bytes), {
          mountFrom: 'private/source',
        }),
      ),
    );
    expect(error.code).toBe('ERR_UNAUTHORIZED');
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
