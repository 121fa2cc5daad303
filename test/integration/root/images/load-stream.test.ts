import { createReadStream, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Image, Sandbox } from '../../../../lib/index.js';
import { importTestImage } from '../../../support/archives.js';
import { busyboxImage } from '../../../support/busybox-image.js';
import { HostLab } from '../../../support/host-lab.js';
import { noise } from '../../../support/noise.js';
import { rejection } from '../../../support/rejection.js';

const lab = new HostLab('load-stream');
const path = (name: string): string => lab.path(name);

async function saved(format: 'oci' | 'docker'): Promise<Buffer> {
  const image = await importTestImage(lab.host, busyboxImage('one'), 'docker.io/library/app:1');
  await image.save(path('images.tar'), { format });
  return readFileSync(path('images.tar'));
}

/** But for the directory that layers will be in. */
const list = (): string[] =>
  readdirSync(path('other'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name !== 'layers/overlay/sha256')
    .sort();

/** The same buffer again and again, as some sources do. */
async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(size);
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.subarray(at, at + size);
    buffer.set(part);
    yield buffer.subarray(0, part.length);
  }
}

describe.each(['oci', 'docker'] as const)('%s', (format) => {
  test.each<[string, (bytes: Buffer) => AsyncIterable<Uint8Array>]>([
    ['a Readable', () => createReadStream(path('images.tar'))],
    ['a ReadableStream', (bytes) => Readable.toWeb(Readable.from([bytes])) as ReadableStream<Uint8Array>],
    ['a generator', (bytes) => pieces(bytes, 1000)],
    ['gzip', (bytes) => pieces(gzipSync(bytes), 70_000)],
  ])('%s', async (_, make) => {
    const bytes = await saved(format);
    const [image] = await Image.load(make(bytes), { host: lab.other });
    expect(image?.reference).toBe('docker.io/library/app:1');
    expect((await Sandbox.run(['cat', '/which'], { image: image!, host: lab.other })).stdout).toBe('one');
  });
});

describe('what fails leaves nothing', () => {
  let bytes: Buffer;
  let before: string[];
  beforeEach(async () => {
    bytes = await saved('oci');
    mkdirSync(path('other'), { recursive: true });
    await Image.list({ host: lab.other });
    before = list();
  });
  afterEach(() => expect(list()).toEqual(before));

  test.each<[string, (bytes: Buffer) => Uint8Array]>([
    ['an end in the middle', (all) => all.subarray(0, all.length >> 1)],
    ['nothing', () => new Uint8Array()],
    ['noise', () => noise(3, 20_480)],
    ['damaged gzip', (all) => gzipSync(all).subarray(0, 5000)],
  ])('%s', async (_, spoil) => {
    const error = await rejection(Image.load(pieces(spoil(bytes), 4096), { host: lab.other }));
    expect(error.code).toBe('ERR_IMAGE_INVALID');
    expect(error.message).toContain('the stream');
  });

  test('a byte that was changed', async () => {
    const at = bytes.indexOf('lib/busybox') < 0 ? bytes.length >> 1 : bytes.indexOf('lib/busybox');
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    expect((await rejection(Image.load(pieces(bytes, 4096), { host: lab.other }))).code).toBe('ERR_DIGEST_MISMATCH');
  });

  test('text, and what the source throws', async () => {
    const text = createReadStream(path('images.tar'), { encoding: 'utf8' });
    expect(await rejection(Image.load(text, { host: lab.other }))).toMatchObject({
      code: 'ERR_INVALID_OPTION',
      subject: 'source',
    });
    const failing = Readable.from(pieces(bytes, 4096)).on('data', () =>
      failing.destroy(new RangeError('of the source')),
    );
    await expect(Image.load(failing, { host: lab.other })).rejects.toThrow('of the source');
    const missing = (): Readable => createReadStream(path('missing'));
    const error = { code: 'ERR_KERNEL', errno: 'ENOENT' };
    expect(await rejection(Image.load(missing(), { host: lab.other }))).toMatchObject(error);
    await expect(Image.import(missing(), 'app', { host: lab.other })).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test.each(['load', 'import'] as const)('an abort of a %s that waits for its source', async (verb) => {
    const abort = new AbortController();
    const waiting = new Readable({ read: () => undefined });
    waiting.push(bytes.subarray(0, 4096));
    setTimeout(() => abort.abort(), 50);
    const options = { host: lab.other, signal: abort.signal };
    const operation = verb === 'load' ? Image.load(waiting, options) : Image.import(waiting, 'app', options);
    expect((await rejection(operation)).code).toBe('ERR_ABORTED');
    expect(waiting.destroyed).toBe(true);
  });
});

test('an import of nothing is refused', async () => {
  const nothing = async function* (): AsyncGenerator<Uint8Array> {};
  expect((await rejection(Image.import(nothing(), 'a', { host: lab.host }))).code).toBe('ERR_LAYER_INVALID');
});
