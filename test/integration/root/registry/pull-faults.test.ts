import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { CloisterError } from '../../../../lib/errors.js';
import { parseReference, type Reference } from '../../../../lib/image/reference.js';
import { RegistryClient } from '../../../../lib/image/registry/client.js';
import { FaultProxy, type Fault } from '../../../support/fault-proxy.js';
import { startRegistry, type TestRegistry } from '../../../support/registry.js';
import { blob, collect, push, sampleImage, sourceOf } from '../../../support/sample-image.js';

const SIZE = 1_000_000;
const BLOB = / \/v2\/.*\/blobs\/sha256/;

const image = sampleImage([SIZE]);
const { descriptor, bytes } = image.layers[0]!;

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
  await push(client, name('app:1'), image);
  proxy.reset();
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

/** What came before it ended, and how it ended. */
async function pull(client: RegistryClient, from?: { offset: number; hash: ReturnType<typeof createHash> }) {
  const hash = from?.hash.copy() ?? createHash('sha256');
  const chunks: Uint8Array[] = [];
  let error: unknown;
  try {
    for await (const chunk of client.blob(name('app'), descriptor, { from })) {
      chunks.push(chunk);
      hash.update(chunk);
    }
  } catch (reason) {
    error = reason;
  }
  const got = Buffer.concat(chunks);
  return { got, hash, error: error as CloisterError | undefined, offset: (from?.offset ?? 0) + got.length };
}

const ranges = (): (string | undefined)[] => proxy.matching(BLOB).map(({ range }) => range);

describe('a blob comes whole in spite of', () => {
  test.each<[string, Fault[], (string | undefined)[]]>([
    ['a connection that breaks', [{ kind: 'cut', after: 300_000 }], [undefined, 'bytes=300000-']],
    [
      'two that break',
      [400_000, 200_000].map((after) => ({ kind: 'cut', after })),
      [undefined, 'bytes=400000-', 'bytes=600000-'],
    ],
    ['one that breaks before the first byte', [{ kind: 'cut', after: 0 }], [undefined, undefined]],
    ['an answer that ends early', [{ kind: 'truncate', after: 500_000 }], [undefined, 'bytes=500000-']],
    ['429', [{ kind: 'answer', status: 429, headers: { 'retry-after': '1' } }], [undefined, undefined]],
    ['503, 502', [503, 502].map((status) => ({ kind: 'answer', status })), [undefined, undefined, undefined]],
    ['an answer that is no HTTP', [{ kind: 'garbage' }], [undefined, undefined]],
    ['a registry that falls silent', [{ kind: 'hang' }], [undefined, undefined]],
    ['headers that never end', [{ kind: 'drip-headers' }], [undefined, undefined]],
    [
      'one byte after the other',
      [{ kind: 'drip', bytes: 1, everyMs: 20 }],
      [undefined, expect.stringMatching(/^bytes=\d+-$/) as never],
    ],
    ['a delay', [{ kind: 'delay', ms: 300 }], [undefined]],
    ['too small a length', [{ kind: 'length', announced: 1000 }], [undefined, undefined]],
    ['too large a length', [{ kind: 'length', announced: 2 * SIZE }], [undefined, undefined]],
    ['an answer that is repeated', [{ kind: 'repeat-answer' }], [undefined]],
    [
      'no ranges, after a break',
      [{ kind: 'cut', after: 300_000 }, { kind: 'ignore-range' }],
      [undefined, 'bytes=300000-'],
    ],
    [
      'another range than was asked for',
      [
        { kind: 'cut', after: 300_000 },
        { kind: 'headers', set: { 'content-range': 'bytes 300001-999999/1000000' } },
      ],
      [undefined, 'bytes=300000-', undefined],
    ],
    [
      'a range of something larger',
      [
        { kind: 'cut', after: 300_000 },
        { kind: 'headers', set: { 'content-range': `bytes 300000-${descriptor.size - 1}/${descriptor.size + 1}` } },
      ],
      [undefined, 'bytes=300000-', undefined],
    ],
    [
      'a range that is not said',
      [
        { kind: 'cut', after: 300_000 },
        { kind: 'headers', set: { 'content-range': undefined } },
      ],
      [undefined, 'bytes=300000-', undefined],
    ],
    [
      '416 for a range that is there',
      [
        { kind: 'cut', after: 300_000 },
        { kind: 'answer', status: 416 },
      ],
      [undefined, 'bytes=300000-', undefined],
    ],
  ])('%s', async (_, faults, asked) => {
    proxy.next(BLOB, ...faults);
    const { got, error } = await pull(clientFor(...faults));
    expect(error).toBeUndefined();
    expect(got.equals(bytes)).toBe(true);
    expect(ranges()).toEqual(asked);
  });
});

describe('a blob is not taken for whole with', () => {
  test.each<[string, Fault, string, string]>([
    ['a wrong byte', { kind: 'corrupt', at: 700_000 }, 'ERR_DIGEST_MISMATCH', 'got content of sha256:'],
    ['too many bytes', { kind: 'repeat' }, 'ERR_DIGEST_MISMATCH', `expected ${descriptor.size} bytes, got more`],
    ['another length', { kind: 'length', announced: 10 }, 'ERR_DIGEST_MISMATCH', '10 are announced'],
    ['no answer', { kind: 'hang' }, 'ERR_REGISTRY_UNREACHABLE', 'does not answer in time'],
    ['no end of its headers', { kind: 'drip-headers' }, 'ERR_REGISTRY_UNREACHABLE', 'does not answer in time'],
    [
      'one byte at a time',
      { kind: 'drip', bytes: 1, everyMs: 20 },
      'ERR_REGISTRY_UNREACHABLE',
      'does not answer in time',
    ],
    ['broken connections only', { kind: 'cut', after: 100 }, 'ERR_REGISTRY_UNREACHABLE', 'broke the connection'],
    ['early ends only', { kind: 'truncate', after: 100 }, 'ERR_REGISTRY_UNREACHABLE', 'it ended after 300 of'],
    ['garbage', { kind: 'garbage' }, 'ERR_REGISTRY_UNREACHABLE', 'what is no HTTP'],
    ['500', { kind: 'answer', status: 500, body: '<html>' }, 'ERR_REGISTRY', 'answered with status 500'],
    ['418', { kind: 'answer', status: 418 }, 'ERR_REGISTRY', 'answered with status 418'],
    ['404', { kind: 'answer', status: 404 }, 'ERR_IMAGE_NOT_FOUND', 'answered with status 404'],
    [
      'too long a pause',
      { kind: 'answer', status: 429, headers: { 'retry-after': '3600' } },
      'ERR_REGISTRY',
      'status 429',
    ],
    [
      'too late a date',
      { kind: 'answer', status: 503, headers: { 'retry-after': new Date(Date.now() + 3.6e6).toUTCString() } },
      'ERR_REGISTRY',
      'status 503',
    ],
    ['a partial answer', { kind: 'answer', status: 206, body: 'x' }, 'ERR_REGISTRY', 'without saying which'],
    [
      'a way in circles',
      { kind: 'answer', status: 307, headers: { location: '/v2/app/blobs/sha256:x' } },
      'ERR_REGISTRY',
      'leads on more than 5 times',
    ],
    ['a way to nowhere', { kind: 'answer', status: 302 }, 'ERR_REGISTRY', 'without saying where'],
    [
      'a way into files',
      { kind: 'answer', status: 302, headers: { location: 'file:///etc/passwd' } },
      'ERR_REGISTRY',
      'less safe',
    ],
    [
      'a way to a host in plain HTTP',
      { kind: 'answer', status: 302, headers: { location: 'http://192.0.2.1/' } },
      'ERR_REGISTRY',
      'less safe',
    ],
    [
      'headers without end',
      { kind: 'headers', set: { 'x-long': 'x'.repeat(100_000) } },
      'ERR_REGISTRY_UNREACHABLE',
      'headers without end',
    ],
  ])('%s', async (_, fault, code, problem) => {
    proxy.always(BLOB, fault);
    const { got, error } = await pull(clientFor(fault));
    expect([error?.code, error?.message]).toEqual([code, expect.stringContaining(problem)]);
    expect(error?.message).toContain(`get blob ${descriptor.digest} of ${proxy.host}/app: `);
    if (fault.kind !== 'corrupt') expect(got.equals(bytes.subarray(0, got.length))).toBe(true);
    expect(proxy.matching(BLOB).length).toBeLessThan(10);
  });
});

test('a second try goes on where the first one ended', async () => {
  proxy.always(BLOB, { kind: 'cut', after: 100_000 });
  const first = await pull(client);
  expect(first.error?.code).toBe('ERR_REGISTRY_UNREACHABLE');
  expect(first.offset).toBe(300_000);
  proxy.reset();
  const second = await pull(client, { offset: first.offset, hash: first.hash });
  expect(second.error).toBeUndefined();
  expect(Buffer.concat([first.got, second.got]).equals(bytes)).toBe(true);
  expect(proxy.matching(BLOB)).toMatchObject([{ range: 'bytes=300000-', sent: descriptor.size - 300_000 }]);
});

test('progress is worth new patience', async () => {
  // More breaks than attempts, each after half a megabyte's progress at least.
  const large = blob(Buffer.alloc(6_000_000, 'x'));
  await client.uploadBlob(name('large'), large.descriptor, sourceOf(large.bytes));
  proxy.reset();
  proxy.always(BLOB, { kind: 'cut', after: 500_000 });
  expect((await collect(client.blob(name('large'), large.descriptor))).equals(large.bytes)).toBe(true);
  expect(proxy.matching(BLOB)).toHaveLength(12);
});

test('a consumer that takes its time is no stall', async () => {
  let length = 0;
  for await (const chunk of client.blob(name('app'), descriptor)) {
    if (length === 0) await new Promise((resume) => setTimeout(resume, 1500));
    length += chunk.length;
  }
  expect([length, proxy.matching(BLOB).length]).toEqual([descriptor.size, 1]);
});
