import { readdirSync, existsSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseReference, type Reference } from '../../../../lib/image/reference.js';
import { RegistryClient } from '../../../../lib/image/registry/client.js';
import { startRegistry, type TestRegistry } from '../../../support/registry.js';
import { rejection } from '../../../support/rejection.js';
import { blob, collect, sourceOf } from '../../../support/sample-image.js';

let registry: TestRegistry;
let client: RegistryClient;

beforeAll(async () => {
  registry = await startRegistry();
  client = new RegistryClient({ useCredentialFiles: false, retryDelayMs: 1 });
});

afterAll(async () => {
  await client.close();
  await registry[Symbol.asyncDispose]();
});

const name = (rest: string): Reference => parseReference(`${registry.host}/${rest}`);

/** What the registry still keeps of uploads that are not complete. */
function openUploads(repository: string): string[] {
  const uploads = join(registry.directory, 'storage/docker/registry/v2/repositories', repository, '_uploads');
  if (!existsSync(uploads)) return [];
  return readdirSync(uploads).filter((id) => existsSync(join(uploads, id, 'data')));
}

describe('blobs', () => {
  const content = (length: number) => blob(Buffer.alloc(length, Math.random().toString(36)));

  test.each([
    ['whole', {}],
    ['single', { method: 'single' }],
    ['chunks', { method: 'chunks', chunkBytes: 100_000 }],
  ] as const)('sent as %s, also empty ones', async (_, options) => {
    for (const length of [0, 1, 350_000]) {
      const { descriptor, bytes } = content(length);
      const progress: number[] = [];
      const sent = await client.uploadBlob(name('blobs'), descriptor, sourceOf(bytes), {
        ...options,
        onProgress: (count) => progress.push(count),
      });
      expect(['uploaded', 'present']).toContain(sent);
      if (sent === 'uploaded') expect(progress.at(-1)).toBe(length);
      expect((await collect(client.blob(name('blobs'), descriptor))).equals(bytes)).toBe(true);
    }
    expect(openUploads('blobs')).toEqual([]);
  });

  test('not sent when they are there, linked when another repository has them', async () => {
    const { descriptor, bytes } = content(10_000);
    const opened: number[] = [];
    const open = (offset: number) => {
      opened.push(offset);
      return sourceOf(bytes)(offset);
    };
    expect(await client.uploadBlob(name('first'), descriptor, open)).toBe('uploaded');
    expect(await client.uploadBlob(name('first'), descriptor, open)).toBe('present');
    expect(await client.uploadBlob(name('second'), descriptor, open, { mountFrom: 'first' })).toBe('mounted');
    expect(opened).toEqual([0]);
    expect(await client.uploadBlob(name('third'), descriptor, open, { mountFrom: 'nowhere' })).toBe('uploaded');
    expect(await client.hasBlob(name('second'), descriptor)).toBe(true);
  });

  test('from any byte on', async () => {
    const { descriptor, bytes } = content(10_000);
    await client.uploadBlob(name('ranges'), descriptor, sourceOf(bytes));
    for (const offset of [0, 1, 9_999, 10_000]) {
      const hash = createHash('sha256').update(bytes.subarray(0, offset));
      const rest = await collect(client.blob(name('ranges'), descriptor, { from: { offset, hash } }));
      expect(rest.equals(bytes.subarray(offset))).toBe(true);
      // The caller's hash is still its own.
      expect(hash.update(rest).digest('hex')).toBe(descriptor.digest.slice(7));
    }
    const wrong = createHash('sha256').update(Buffer.alloc(100));
    const error = await rejection(
      collect(client.blob(name('ranges'), descriptor, { from: { offset: 100, hash: wrong } })),
    );
    expect(error.code).toBe('ERR_DIGEST_MISMATCH');
  });

  test('a source that lies is refused', async () => {
    const { descriptor, bytes } = content(200_000);
    const short = await rejection(client.uploadBlob(name('liar'), descriptor, sourceOf(bytes.subarray(0, 150_000))));
    expect([short.code, short.message]).toEqual(['ERR_DIGEST_MISMATCH', expect.stringContaining('there are 150000')]);
    const other = await rejection(client.uploadBlob(name('liar'), descriptor, sourceOf(Buffer.alloc(200_000))));
    expect([other.code, other.message]).toEqual(['ERR_REGISTRY', expect.stringContaining('DIGEST_INVALID')]);
    const broken = client.uploadBlob(name('liar'), descriptor, async function* () {
      yield bytes.subarray(0, 100);
      throw new RangeError('of the source itself');
    });
    await expect(broken).rejects.toThrow(RangeError);
    expect(await client.hasBlob(name('liar'), descriptor)).toBe(false);
  });

  test('an aborted upload is cancelled at the registry', async () => {
    const { descriptor, bytes } = content(500_000);
    const stop = new AbortController();
    const error = await rejection(
      client.uploadBlob(name('aborted'), descriptor, sourceOf(bytes), {
        method: 'chunks',
        chunkBytes: 100_000,
        signal: stop.signal,
        onProgress: (sent) => {
          if (sent >= 200_000) stop.abort();
        },
      }),
    );
    expect(error.code).toBe('ERR_ABORTED');
    expect(openUploads('aborted')).toEqual([]);
  });

  test('an aborted download ends at once', async () => {
    const { descriptor, bytes } = content(5_000_000);
    await client.uploadBlob(name('aborted'), descriptor, sourceOf(bytes));
    const stop = new AbortController();
    const error = await rejection(
      (async () => {
        for await (const _ of client.blob(name('aborted'), descriptor, { signal: stop.signal })) stop.abort();
      })(),
    );
    expect(error.code).toBe('ERR_ABORTED');
  });

  test('a loop that is left leaves the client as it was', async () => {
    const { descriptor, bytes } = content(5_000_000);
    await client.uploadBlob(name('left'), descriptor, sourceOf(bytes));
    for (let turn = 0; turn < 20; turn++) for await (const _ of client.blob(name('left'), descriptor)) break;
    expect((await collect(client.blob(name('left'), descriptor))).length).toBe(5_000_000);
  });

  test('a descriptor of another size or digest is found out', async () => {
    const { descriptor, bytes } = content(1000);
    await client.uploadBlob(name('sizes'), descriptor, sourceOf(bytes));
    for (const size of [999, 1001]) {
      const error = await rejection(
        collect(
          new RegistryClient({ attempts: 1, useCredentialFiles: false }).blob(name('sizes'), { ...descriptor, size }),
        ),
      );
      expect([size, error.code]).toEqual([size, 'ERR_DIGEST_MISMATCH']);
    }
  });
});
