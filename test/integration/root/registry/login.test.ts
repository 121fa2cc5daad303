import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseReference, type Reference } from '../../../../lib/image/reference.js';
import type { RegistryOptions } from '../../../../lib/image/registry/options.js';
import { FaultProxy } from '../../../support/fault-proxy.js';
import { LocalServer } from '../../../support/http-server.js';
import { startRegistry, USER, type TestRegistry } from '../../../support/registry.js';
import { rejection } from '../../../support/rejection.js';
import { blob, collect, push, sampleImage, sourceOf } from '../../../support/sample-image.js';
import { BASIC, expectNoSecret, using } from '../../../support/secrets.js';
import { makeScratch } from '../../../support/scratch.js';
import { IDENTITY_TOKEN } from '../../../support/token-server.js';

const image = sampleImage([1000]);

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
    const port = elsewhere.host.split(':')[1] ?? '';
    for (const location of [`http://${elsewhere.host}/x`, `http://localhost:${port}/x`]) {
      proxy.reset();
      proxy.always(/blobs/, { kind: 'answer', status: 307, headers: { location } });
      const work = using(auth(), async (client) => {
        await client.ping(proxy.host);
        return collect(client.blob(name('app'), descriptor));
      });
      expect((await rejection(work)).code).toBe('ERR_UNAUTHORIZED');
      expect(proxy.matching(/blobs/)).toMatchObject([{ authorization: `Basic ${BASIC}` }]);
    }
    expect(asked).toEqual([undefined, undefined]);
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
      ['that has only empty words', `echo '{"Username":"","Secret":""}'`, 'asks for a name and a password'],
      ['that has no secret', `echo '{"Username":"me","Secret":""}'`, 'wrote something else than credentials'],
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

    test('an entry that cannot be read is no harm to other registries', async () => {
      const broken = { auth: USER.password };
      const withEntries = (entries: object) =>
        resolves({ HOME: home({ '.docker/config.json': JSON.stringify({ auths: entries }) }) });
      expect((await withEntries({ 'x.test': broken, [proxy.host]: { auth: BASIC } })).size).toBeGreaterThan(0);
      const error = await rejection(withEntries({ [proxy.host]: broken }));
      expect([error.code, error.message]).toEqual([
        'ERR_INVALID_OPTION',
        expect.stringContaining(`.docker/config.json: auths["${proxy.host}"].auth`),
      ]);
      expectNoSecret(error);
    });

    test('a home that is no directory holds none, unless it was named', async () => {
      const HOME = '/dev/null';
      expect((await resolves({ HOME, DOCKER_AUTH_CONFIG: auths() })).size).toBeGreaterThan(0);
      const named = await rejection(resolves({ HOME, REGISTRY_AUTH_FILE: '/dev/null/auth.json' }));
      expect([named.code, named.errno]).toEqual(['ERR_PERMISSION', 'ENOTDIR']);
    });

    test.each([
      ['no JSON', `{"auths": {"${USER.password}`],
      ['a helper that is a path', JSON.stringify({ credsStore: '../../bin/sh' })],
    ])('a file with %s', async (_, content) => {
      const error = await rejection(resolves({ HOME: home({ '.docker/config.json': content }) }));
      expect(error.code).toBe('ERR_INVALID_OPTION');
      expect(error.message).toContain('.docker/config.json');
      expectNoSecret(error);
    });
  });
});
