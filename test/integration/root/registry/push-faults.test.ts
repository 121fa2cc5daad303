import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parseReference, type Reference } from '../../../../lib/image/reference.js';
import { RegistryClient } from '../../../../lib/image/registry/client.js';
import { FaultProxy, type Fault } from '../../../support/fault-proxy.js';
import { startRegistry, type TestRegistry } from '../../../support/registry.js';
import { rejection } from '../../../support/rejection.js';
import { blob, collect, push, sampleImage, sourceOf } from '../../../support/sample-image.js';

const SIZE = 600_000;
let registry: TestRegistry;
let proxy: FaultProxy;
let client: RegistryClient;
/** For peers that are silent on purpose; a busy machine is no such peer. */
let hasty: RegistryClient;

beforeAll(async () => {
  registry = await startRegistry();
  proxy = await FaultProxy.start(registry.host);
  const options = { useCredentialFiles: false, retryDelayMs: 1, attempts: 3, maxRetryAfterMs: 2000 };
  client = new RegistryClient(options);
  hasty = new RegistryClient({ ...options, responseTimeoutMs: 2000, storeTimeoutMs: 2000, stallTimeoutMs: 2000 });
});

afterEach(() => proxy.reset());

afterAll(async () => {
  await client.close();
  await hasty.close();
  await proxy[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

const SILENT = ['hang', 'drip', 'drip-headers', 'ignore-request'];
const clientFor = (...faults: Fault[]): RegistryClient =>
  faults.some(({ kind }) => SILENT.includes(kind)) ? hasty : client;

const name = (rest: string): Reference => parseReference(`${proxy.host}/${rest}`);
const content = () => blob(Buffer.alloc(SIZE, Math.random().toString(36)));

describe('a blob is stored whole in spite of', () => {
  test.each<[string, RegExp, Fault[]]>([
    ['a connection that breaks', /^PUT /, [{ kind: 'cut-request', after: 100_000 }]],
    ['a begin that fails', /^POST /, [{ kind: 'answer', status: 503 }]],
    ['an answer that is lost', /^PUT /, [{ kind: 'lose-answer' }]],
    ['a server that takes nothing', /^PUT /, [{ kind: 'ignore-request' }]],
    ['a server that falls silent', /^PUT /, [{ kind: 'hang' }]],
    ['502', /^PUT /, [{ kind: 'answer', status: 502 }]],
    ['a limit of size before the registry', /^PUT .*digest=/, [{ kind: 'answer', status: 413 }]],
  ])('%s', async (_, pattern, faults) => {
    const { descriptor, bytes } = content();
    proxy.next(pattern, ...faults);
    const progress: number[] = [];
    const options = { onProgress: (sent: number) => progress.push(sent), chunkBytes: 200_000 };
    const sent = await clientFor(...faults).uploadBlob(name('app'), descriptor, sourceOf(bytes), options);
    expect(sent).toBe('uploaded');
    expect(progress.at(-1)).toBe(SIZE);
    expect((await collect(client.blob(name('app'), descriptor))).equals(bytes)).toBe(true);
  });

  test('a limit of size, by smaller requests', async () => {
    const { descriptor, bytes } = content();
    proxy.next(/^PUT /, { kind: 'answer', status: 413 });
    await client.uploadBlob(name('small'), descriptor, sourceOf(bytes), { chunkBytes: 250_000 });
    expect(proxy.matching(/^PATCH /)).toHaveLength(3);
  });
});

describe('chunks', () => {
  const options = { method: 'chunks', chunkBytes: 200_000 } as const;

  test.each<[string, RegExp, Fault[], number[]]>([
    [
      'a break within the second',
      /^PATCH /,
      [
        { kind: 'delay', ms: 1 },
        { kind: 'cut-request', after: 10 },
      ],
      [0, 200_000, 200_000, 400_000],
    ],
    [
      '503 for the last',
      /^PATCH /,
      [
        { kind: 'delay', ms: 1 },
        { kind: 'delay', ms: 1 },
        { kind: 'answer', status: 503 },
      ],
      [0, 200_000, 400_000, 400_000],
    ],
    [
      '416 for the second',
      /^PATCH /,
      [
        { kind: 'delay', ms: 1 },
        { kind: 'answer', status: 416 },
      ],
      [0, 200_000, 200_000, 400_000],
    ],
    ['an end that fails', /^PUT /, [{ kind: 'answer', status: 500 }], [0, 200_000, 400_000]],
  ])('go on where the registry is, after %s', async (_, pattern, faults, opened) => {
    const { descriptor, bytes } = content();
    const offsets: number[] = [];
    const open = (offset: number) => {
      offsets.push(offset);
      return sourceOf(bytes)(offset);
    };
    proxy.next(pattern, ...faults);
    expect(await client.uploadBlob(name('chunks'), descriptor, open, options)).toBe('uploaded');
    expect(offsets).toEqual(opened);
    expect((await collect(client.blob(name('chunks'), descriptor))).equals(bytes)).toBe(true);
  });

  test('begin anew when the registry has forgotten them', async () => {
    const { descriptor, bytes } = content();
    proxy.next(/^PATCH /, { kind: 'delay', ms: 1 }, { kind: 'lose-answer' });
    // The registry has more than it said: the address that we have is no longer good.
    expect(await client.uploadBlob(name('forgotten'), descriptor, sourceOf(bytes), options)).toBe('uploaded');
    expect(proxy.matching(/^POST /)).toHaveLength(2);
  });

  test('are as large as the registry wants them', async () => {
    const { descriptor, bytes } = content();
    proxy.always(/^POST /, { kind: 'headers', set: { 'oci-chunk-min-length': '450000' } });
    await client.uploadBlob(name('least'), descriptor, sourceOf(bytes), options);
    expect(proxy.matching(/^PATCH /)).toHaveLength(2);
  });

  test('that the registry never takes come to an end', async () => {
    const { descriptor, bytes } = content();
    proxy.always(/^PATCH /, { kind: 'answer', status: 416, headers: { range: '0-99' } });
    const error = await rejection(client.uploadBlob(name('never'), descriptor, sourceOf(bytes), options));
    expect([error.code, error.message]).toEqual(['ERR_REGISTRY', expect.stringContaining('wants another part')]);
    expect(proxy.matching(/^PATCH /)).toHaveLength(3);
  });

  test('that the registry takes and denies come to an end', async () => {
    const { descriptor, bytes } = content();
    proxy.always(/^PATCH /, { kind: 'answer', status: 202, headers: { range: '0-99' } });
    const error = await rejection(client.uploadBlob(name('denied'), descriptor, sourceOf(bytes), options));
    expect(error.code).toBe('ERR_REGISTRY');
    expect(proxy.seen.length).toBeLessThan(40);
  });
});

describe('a blob is not taken for stored with', () => {
  test.each<[string, RegExp, Fault, string, string]>([
    ['no answer', /^PUT /, { kind: 'hang' }, 'ERR_REGISTRY_UNREACHABLE', 'does not answer in time'],
    [
      'a server that takes nothing',
      /^PUT /,
      { kind: 'ignore-request' },
      'ERR_REGISTRY_UNREACHABLE',
      'does not answer in time',
    ],
    ['a begin without address', /^POST /, { kind: 'answer', status: 202 }, 'ERR_REGISTRY', 'without saying where'],
    [
      'a begin in plain HTTP elsewhere',
      /^POST /,
      { kind: 'answer', status: 202, headers: { location: 'http://192.0.2.1/x' } },
      'ERR_REGISTRY',
      'less safe',
    ],
    ['a full registry', /^PUT /, { kind: 'answer', status: 507 }, 'ERR_REGISTRY', 'status 507'],
    [
      'a refusal',
      /^PUT /,
      { kind: 'answer', status: 403, body: '{"errors":[{"code":"DENIED","message":"quota\\u001b[31m"}]}' },
      'ERR_UNAUTHORIZED',
      'DENIED: quota [31m',
    ],
    ['200', /^PUT /, { kind: 'answer', status: 200 }, 'ERR_REGISTRY', 'status 200'],
  ])('%s', async (_, pattern, fault, code, problem) => {
    const { descriptor, bytes } = content();
    proxy.always(pattern, fault);
    const error = await rejection(clientFor(fault).uploadBlob(name('never'), descriptor, sourceOf(bytes)));
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(problem)]);
    proxy.reset();
    expect(await client.hasBlob(name('never'), descriptor)).toBe(false);
  });
});

test('an aborted upload leaves at once, also while the registry is silent', async () => {
  const { descriptor, bytes } = content();
  proxy.always(/^PUT /, { kind: 'hang' });
  const stop = new AbortController();
  const upload = client.uploadBlob(name('silent'), descriptor, sourceOf(bytes), { signal: stop.signal });
  upload.catch(() => undefined);
  while (proxy.matching(/^PUT /).length === 0) await new Promise((resume) => setTimeout(resume, 5));
  stop.abort(new Error('enough'));
  const error = await rejection(upload);
  expect([error.code, error.cause]).toEqual(['ERR_ABORTED', expect.objectContaining({ message: 'enough' })]);
  expect(proxy.matching(/^DELETE /)).toHaveLength(1);
});

describe('manifests', () => {
  const image = sampleImage([10]);

  test.each<[string, Fault]>([
    ['503', { kind: 'answer', status: 503 }],
    ['an answer that is lost', { kind: 'lose-answer' }],
    ['a break', { kind: 'cut-request', after: 0 }],
  ])('are stored in spite of %s', async (_, fault) => {
    proxy.next(/^PUT .*manifests/, fault);
    await push(client, name('app:1'), image);
    expect((await client.resolve(name('app:1'))).digest).toBe(image.manifest.descriptor.digest);
  });

  test('that the registry stores as something else are found out', async () => {
    proxy.always(/^PUT .*manifests/, { kind: 'headers', set: { 'docker-content-digest': `sha256:${'0'.repeat(64)}` } });
    expect((await rejection(push(client, name('app:1'), image))).code).toBe('ERR_DIGEST_MISMATCH');
  });

  test('whose parts are missing are refused by the registry', async () => {
    const error = await rejection(client.putManifest(name('parts:1'), sampleImage([11]).manifest.bytes));
    expect([error.code, error.message]).toEqual(['ERR_REGISTRY', expect.stringContaining('MANIFEST_BLOB_UNKNOWN')]);
  });
});
