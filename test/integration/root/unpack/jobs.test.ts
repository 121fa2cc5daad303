import { closeSync, mkdirSync, openSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nativeParts } from '../../../../lib/native/addon.js';
import { feedJob } from '../../../../lib/native/decompress.js';
import { removeTree, unpackArchive, unpackTar } from '../../../../lib/native/layers.js';
import { rejection } from '../../../support/rejection.js';
import { makeScratch } from '../../../support/scratch.js';
import { archive, file, header } from '../../../support/tar.js';

let scratch: ReturnType<typeof makeScratch>;
let last = 0;
beforeAll(() => void (scratch = makeScratch('jobs')));
afterAll(() => scratch[Symbol.dispose]());

/** A new directory, as a descriptor. */
function target(root = scratch.path): { readonly path: string; readonly fd: number } & Disposable {
  const path = join(root, `layer-${++last}`);
  mkdirSync(path);
  const fd = openSync(path, 'r');
  return { path, fd, [Symbol.dispose]: () => closeSync(fd) };
}

const openFds = (): number => readdirSync('/proc/self/fd').length;
const threads = (): number => readdirSync('/proc/self/task').length;

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const LAYER = archive(...Array.from({ length: 500 }, (_, i) => file(`d${i % 9}/f${i}`, Buffer.alloc(i * 40, i))));

describe('an archive in pieces', () => {
  test.each([1, 100, 512, 65_536, 1e9])('of %d bytes', async (size) => {
    using layer = target();
    const bytes = size === 1 ? archive(file('d1/f1', Buffer.alloc(40, 1))) : LAYER;
    const result = await unpackArchive(pieces(bytes, size), layer.fd);
    expect(result.entries).toBeGreaterThan(1);
    expect(statSync(join(layer.path, 'd1/f1')).size).toBe(40);
  });

  test('whose source fails at its end, after all was unpacked', async () => {
    using layer = target();
    const source = async function* (): AsyncGenerator<Uint8Array> {
      yield LAYER;
      throw new RangeError('the digest is another one');
    };
    await expect(unpackArchive(source(), layer.fd)).rejects.toThrow('the digest is another one');
  });

  test('whose source fails in the middle', async () => {
    using layer = target();
    const source = async function* (): AsyncGenerator<Uint8Array> {
      yield LAYER.subarray(0, 10_000);
      throw new RangeError('connection lost');
    };
    await expect(unpackArchive(source(), layer.fd)).rejects.toThrow('connection lost');
  });

  test('that is refused: the source is told to stop, also while it waits', async () => {
    using layer = target();
    let stopped = false;
    const source = async function* (): AsyncGenerator<Uint8Array> {
      try {
        yield Buffer.alloc(4096, 'no archive');
        for (;;) yield Buffer.alloc(65_536);
      } finally {
        stopped = true;
      }
    };
    expect(await rejection(unpackArchive(source(), layer.fd))).toMatchObject({ code: 'ERR_LAYER_INVALID' });
    expect(stopped).toBe(true);
  });

  test('that is aborted', async () => {
    using layer = target();
    const controller = new AbortController();
    const source = async function* (): AsyncGenerator<Uint8Array> {
      yield LAYER.subarray(0, 100_000);
      setTimeout(() => controller.abort(new Error('enough')), 10);
      await new Promise(() => undefined);
    };
    const error = await rejection(unpackArchive(source(), layer.fd, { signal: controller.signal }));
    expect(error).toMatchObject({ code: 'ERR_ABORTED', cause: { message: 'enough' } });
    expect(await rejection(unpackArchive(source(), layer.fd, { signal: AbortSignal.abort() }))).toMatchObject({
      code: 'ERR_ABORTED',
    });
  });

  test('whose job does not start: nothing stays open', async () => {
    const before = openFds();
    const start = (): never => {
      throw new RangeError('too many descriptors');
    };
    await expect(feedJob(pieces(LAYER, 512), 'unpacking', undefined, start)).rejects.toThrow('too many descriptors');
    await expect.poll(openFds).toBe(before);
  });

  test('that is cut off by closing the pipe', async () => {
    using layer = target();
    const [output, input] = nativeParts().addon.pipe('write', 0);
    const unpacking = unpackTar(output, layer.fd);
    closeSync(output);
    writeFileSync(input, LAYER.subarray(0, 700));
    closeSync(input);
    expect(await rejection(unpacking)).toMatchObject({
      code: 'ERR_LAYER_INVALID',
      hint: 'the archive was cut off: fetch it again',
    });
  });
});

describe('a full disk', () => {
  test.each(['overlay', 'apply'] as const)('is an error of the kernel: %s', async (whiteouts) => {
    using small = makeScratch('full', '1m');
    using layer = target(small.path);
    const error = await rejection(unpackArchive(pieces(LAYER, 65_536), layer.fd, { whiteouts }));
    expect(error).toMatchObject({ code: 'ERR_KERNEL', errno: 'ENOSPC' });
    expect(error.subject).toMatch(/^d\d\/f\d+$/);
  });

  test('what is left of it goes', async () => {
    using small = makeScratch('full', '1m');
    using layer = target(small.path);
    await rejection(unpackArchive(pieces(LAYER, 65_536), layer.fd));
    const parent = openSync(small.path, 'r');
    await removeTree(parent, layer.path.slice(small.path.length + 1)).finally(() => closeSync(parent));
    expect(readdirSync(small.path)).toEqual([]);
  });
});

describe('jobs', () => {
  test('twelve that wait for their input leave Node’s own threads free', async () => {
    const inputs: number[] = [];
    const unpacking: Promise<unknown>[] = [];
    for (let i = 0; i < 12; i++) {
      using layer = target();
      const [output, input] = nativeParts().addon.pipe('write', 0);
      inputs.push(input);
      unpacking.push(unpackTar(output, layer.fd));
      closeSync(output);
    }
    // Reading a file takes one of the four threads that a blocking job would have taken.
    expect((await readFile('/proc/self/comm')).length).toBeGreaterThan(0);
    for (const input of inputs) {
      writeFileSync(input, archive(file('x', 'y')));
      closeSync(input);
    }
    expect(await Promise.all(unpacking)).toHaveLength(12);
  });

  test('leave no descriptors and no threads, however they end', async () => {
    const run = async (): Promise<void> => {
      using layer = target();
      await unpackArchive(pieces(LAYER, 10_000), layer.fd, { threads: 4 });
      using refused = target();
      await rejection(unpackArchive(pieces(LAYER.subarray(0, 3000), 10_000), refused.fd, { threads: 4 }));
      using limited = target();
      await rejection(unpackArchive(pieces(LAYER, 10_000), limited.fd, { maxEntries: 100 }));
    };
    await run();
    const [fds, most] = [openFds(), threads()];
    for (let i = 0; i < 10; i++) await run();
    // A thread ends a moment after it said that its work is done; Node ends one of its own now and then.
    await expect.poll(threads, { timeout: 20_000 }).toBeLessThanOrEqual(most);
    expect(openFds()).toBe(fds);
  });

  test('descriptors may be closed as soon as the call returns', async () => {
    const layer = target();
    const path = join(scratch.path, 'layer.tar');
    writeFileSync(path, LAYER);
    const input = openSync(path, 'r');
    const unpacking = unpackTar(input, layer.fd, { sync: true });
    closeSync(input);
    layer[Symbol.dispose]();
    expect(await unpacking).toMatchObject({ entries: 509, hasRoot: false });
  });

  test('a bad descriptor is refused', async () => {
    using layer = target();
    expect(await rejection(unpackTar(99_999, layer.fd))).toMatchObject({ code: 'ERR_KERNEL', errno: 'EBADF' });
    const input = openSync('/dev/null', 'r');
    expect(await rejection(unpackTar(layer.fd, input))).toMatchObject({ code: 'ERR_KERNEL', errno: 'ENOTDIR' });
    expect(await rejection(unpackTar(layer.fd, layer.fd))).toMatchObject({ code: 'ERR_KERNEL', errno: 'EISDIR' });
    closeSync(input);
  });

  test('a worker thread that ends takes nothing down with it', async () => {
    using layer = target();
    const [output, input] = nativeParts().addon.pipe('write', 0);
    const addon = join(import.meta.dirname, '../../../../build/Release/cloister.node');
    const options = { whiteouts: 'overlay', maxBytes: 1e9, maxEntries: 1e6, threads: 2, sync: false };
    const worker = new Worker(
      `const { workerData: w, parentPort } = require('node:worker_threads');
       require(w.addon).unpackTar(w.output, w.directory, w.options);
       parentPort.postMessage('started');`,
      { eval: true, workerData: { addon, output, directory: layer.fd, options } },
    );
    await new Promise((started) => worker.once('message', started));
    await worker.terminate();
    closeSync(output);
    // The job goes on without anybody to tell.
    writeFileSync(input, Buffer.concat([header({ path: 'x', size: 5 }), Buffer.from('after')]));
    closeSync(input);
    await expect.poll(() => readdirSync(layer.path), { timeout: 20_000 }).toEqual(['x']);
  });
});
