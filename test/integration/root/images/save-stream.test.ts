import { execFileSync } from 'node:child_process';
import { createWriteStream, readFileSync, rmSync } from 'node:fs';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { createGunzip, createGzip } from 'node:zlib';
import { beforeEach, describe, expect, test } from 'vitest';
import { Image } from '../../../../lib/index.js';
import { importTestImage } from '../../../support/archives.js';
import { HostLab } from '../../../support/host-lab.js';
import { LIBRARY } from '../../../support/node-program.js';
import { noise } from '../../../support/noise.js';
import { rejection } from '../../../support/rejection.js';
import { layerOf, testImage } from '../../../support/test-image.js';

const lab = new HostLab('save-stream');
const path = (name: string): string => lab.path(name);
let image: Image;
beforeEach(async () => {
  image = await importTestImage(lab.host, testImage([layerOf({ a: noise(3, 2_000_000) })]), 'docker.io/library/app:1');
});

type Target = Writable | string;
const WRITERS = {
  'save, oci': (target: Target, options = {}) => image.save(target, options),
  'save, docker': (target: Target, options = {}) => image.save(target, { ...options, format: 'docker' }),
  export: (target: Target, options = {}) => image.export(target, options),
};

describe.each(Object.entries(WRITERS))('%s', (_, write) => {
  let expected: Buffer;
  beforeEach(async () => {
    await write(path('expected.tar'));
    expected = readFileSync(path('expected.tar'));
  });

  test('a stream takes what a file would have', async () => {
    const stream = new PassThrough();
    const [received] = await Promise.all([buffer(stream), write(stream)]);
    expect(received.equals(expected)).toBe(true);
    expect(stream.writableFinished).toBe(true);
  });

  test('when it resolves, a file’s stream has written all of it', async () => {
    await write(createWriteStream(path('stream.tar')));
    expect(readFileSync(path('stream.tar')).equals(expected)).toBe(true);
  });

  test('through a compressor, to a reader that takes its time', async () => {
    const gzip = createGzip({ level: 1 });
    const slow = Readable.from(gzip.pipe(createGunzip()), { highWaterMark: 1 });
    const [received] = await Promise.all([buffer(slow), write(gzip)]);
    expect(received.equals(expected)).toBe(true);
  });

  test('a stream that fails, before or in the middle', async () => {
    const never = createWriteStream(path('none/there'));
    await expect(write(never)).rejects.toMatchObject({ code: 'ENOENT' });
    let taken = 0;
    const broken = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        taken += chunk.length;
        if (taken > 300_000) done(new Error('full'));
        else setImmediate(done);
      },
    });
    await expect(write(broken)).rejects.toThrow('full');
    const closed = new PassThrough();
    closed.destroy();
    await expect(write(closed)).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_STREAM_/) as string });
  });

  test('aborted while nobody reads: the stream is destroyed, and the next one works', async () => {
    const stalled = new PassThrough();
    const controller = new AbortController();
    const writing = write(stalled, { signal: controller.signal });
    stalled.once('readable', () => controller.abort(new Error('enough')));
    expect(await rejection(writing)).toMatchObject({ code: 'ERR_ABORTED', cause: { message: 'enough' } });
    expect(stalled.destroyed).toBe(true);
    await write(path('again.tar'));
    expect(readFileSync(path('again.tar')).equals(expected)).toBe(true);
  });
});

test('what cannot be saved leaves the stream as it was', async () => {
  const stream = new PassThrough();
  expect((await rejection(Image.save('none:1', stream, { host: lab.host }))).code).toBe('ERR_IMAGE_NOT_FOUND');
  const [layer] = (await image.inspect()).layers;
  rmSync(path(`host/content/blobs/${layer?.digest.replace(':', '/')}`));
  for (const write of Object.values(WRITERS)) expect((await rejection(write(stream))).code).toBe('ERR_NOT_FOUND');
  expect(stream.destroyed || stream.writableEnded || stream.readableLength > 0).toBe(false);
});

test('the standard output of an application', async () => {
  const program = `
    import { Host, Image } from ${JSON.stringify(LIBRARY)};
    const host = new Host({ root: ${JSON.stringify(path('host'))}, stateDir: ${JSON.stringify(path('state'))} });
    await Image.save('app:1', process.stdout, { host });
    await host.close();`;
  const args = ['--input-type=module', '--eval', program];
  const archive = execFileSync(process.execPath, args, { maxBuffer: 10_000_000 });
  await image.save(path('expected.tar'));
  expect(archive.equals(readFileSync(path('expected.tar')))).toBe(true);
});

test('an answer of an HTTP server', async () => {
  const server = createServer((_, response) => void image.save(response, { format: 'docker' }));
  await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done));
  try {
    const { port } = server.address() as AddressInfo;
    const response = await new Promise<Readable>((done) => void get(`http://127.0.0.1:${port}`, done));
    const [loaded] = await Image.load(response, { host: lab.other });
    expect(loaded?.reference).toBe('docker.io/library/app:1');
  } finally {
    server.close();
  }
});
