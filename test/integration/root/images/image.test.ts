import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Host, Image, Sandbox, type HostEvent } from '../../../../lib/index.js';
import { busyboxImage, busyboxLayer } from '../../../support/busybox-image.js';
import { ImageLab } from '../../../support/image-lab.js';
import { rejection } from '../../../support/rejection.js';
import { publish, testImage, type TestImage } from '../../../support/test-image.js';

const lab = new ImageLab();
let host: Host;
const seen: string[] = [];
let listening: Promise<void>;

const nameOf = (event: HostEvent): string => ('reference' in event ? event.reference : event.sandbox);

beforeEach(() => {
  const root = join(lab.root, 'host');
  mkdirSync(root);
  host = new Host({
    root,
    stateDir: join(lab.root, 'state'),
    storage: 'overlay',
    registries: { useCredentialFiles: false },
  });
  seen.length = 0;
  const events = host.events();
  listening = (async () => {
    for await (const event of events) seen.push(`${event.type} ${nameOf(event).replace(/^[^/]*\//, '')}`);
  })();
  void listening;
});
afterEach(() => host.close());

const full = (name: string): string => lab.reference(name).toString();

async function pull(name: string, image: TestImage): Promise<Image> {
  await publish(lab.client, lab.reference(name), image);
  return Image.pull(full(name), { host });
}

test('an image says what it is, by its names, its digest and its documents', async () => {
  const made = busyboxImage('one', { Labels: { tier: 'web' }, Cmd: ['echo', 'of one'] });
  const image = await pull('facts:1', made);
  expect(image).toMatchObject({
    reference: full('facts:1'),
    digest: made.manifest.digest,
    target: made.manifest.digest,
    id: made.config.digest,
    platform: process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64',
    labels: { tier: 'web' },
    size: made.manifest.size + made.config.size + made.layers.reduce((sum, { size }) => sum + size, 0),
    layers: made.layers.map(({ digest, size }, i) => ({ digest, size, diffId: made.diffIds[i] })),
    history: made.layers.map(({ digest }, i) => ({ createdBy: `step ${i}`, layer: { digest } })),
    config: { cmd: ['echo', 'of one'] },
  });
  expect(String(image)).toBe(full('facts:1'));
  const repository = full('facts:1').replace(/:1$/, '');
  for (const name of [full('facts:1'), image.digest, `${repository}@${image.digest}`])
    expect((await Image.get(name, { host })).reference).toBe(full('facts:1'));
  expect(await Image.history(full('facts:1'), { host })).toEqual(image.history);
  await image.tag('other/name:2');
  const details = await image.inspect();
  expect(details).toMatchObject({ aliases: ['docker.io/other/name:2'], digest: image.digest, size: image.size });
  expect(details.documents.index).toBeUndefined();
  expect(details.documents.config).toMatchObject({ config: { Labels: { tier: 'web' } } });
  expect(details.platforms).toEqual([{ platform: image.platform, digest: image.digest, isHere: true }]);
});

test('names come, move and go; an object stays what it is', async () => {
  const one = await pull('app:1', busyboxImage('one'));
  const two = await pull('app:2', busyboxImage('two'));
  expect((await Image.list({ host })).map(({ reference }) => reference)).toEqual([full('app:1'), full('app:2')]);

  const current = await Image.tag(one, 'current', { host });
  expect(current.reference).toBe('docker.io/library/current:latest');
  await Image.tag(full('app:2'), 'current', { host });
  const run = async (image: string | Image): Promise<string> =>
    (await Sandbox.run(['cat', '/which'], { image, host, pull: 'never' })).stdout;
  expect(await run('current')).toBe('two');
  expect(await run(current)).toBe('one');

  expect(await rejection(current.remove())).toMatchObject({ code: 'ERR_IMAGE_NOT_FOUND', subject: current.reference });
  expect((await Image.remove('current', { host })).blobs).toEqual([]);
  const gone = await one.remove();
  expect(gone.references).toEqual([full('app:1')]);
  expect(gone.layers).toEqual([one.layers.at(-1)!.diffId]);
  expect((await rejection(Sandbox.run(['true'], { image: current, host }))).code).toBe('ERR_IMAGE_NOT_FOUND');
  expect((await rejection(Image.get('current', { host }))).code).toBe('ERR_IMAGE_NOT_FOUND');

  expect((await Image.prune({ host })).references).toEqual([]);
  expect((await Image.prune({ host, all: true })).references).toEqual([two.reference]);
  expect(await Image.list({ host })).toEqual([]);
  await expect
    .poll(() => seen.filter((each) => each.startsWith('image-')))
    .toEqual([
      'image-pulled app:1',
      'image-pulled app:2',
      'image-tagged library/current:latest',
      'image-tagged library/current:latest',
      'image-removed library/current:latest',
      'image-removed app:1',
      'image-removed app:2',
    ]);
});

test('an image is found by its id, as Docker finds it', async () => {
  const image = await pull('by-id:1', busyboxImage('one'));
  await pull('by-id:other', busyboxImage('two'));
  expect(image.id).not.toBe(image.digest);
  expect((await Image.get(image.id, { host })).reference).toBe(full('by-id:1'));
  expect((await Image.inspect(image.id, { host })).digest).toBe(image.digest);
  const { stdout } = await Sandbox.run(['cat', '/which'], { image: image.id, host });
  expect(stdout).toBe('one');
  expect((await Image.tag(image.id, full('by-id:2'), { host })).id).toBe(image.id);
  expect((await Image.get(image.id, { host })).digest).toBe(image.digest);
  await Image.remove(full('by-id:2'), { host });
  expect((await Image.remove(image.id, { host })).references).toEqual([full('by-id:1')]);
  expect((await rejection(Image.get(image.id, { host }))).code).toBe('ERR_IMAGE_NOT_FOUND');
});

test('an id that two images have names neither', async () => {
  const layers = [busyboxLayer()];
  const image = await pull('twice:oci', testImage(layers));
  await pull('twice:docker', testImage(layers, { docker: true }));
  const error = await rejection(Image.get(image.id, { host }));
  expect(error).toMatchObject({ code: 'ERR_IMAGE_NOT_FOUND', subject: image.id });
  expect(error.message).toContain(`${full('twice:docker')}, ${full('twice:oci')}`);
  expect((await Image.get(image.digest, { host })).reference).toBe(full('twice:oci'));
});

test('a name goes by its digest, too, unless several stand for it', async () => {
  const image = await pull('digests:1', busyboxImage('one'));
  await image.tag(full('digests:2'));
  const byDigest = `${full('digests:1').replace(/:1$/, '')}@${image.digest}`;
  for (const name of [image.digest, byDigest]) {
    const error = await rejection(Image.remove(name, { host }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', subject: 'image' });
    expect(error.message).toContain('digests:1');
  }
  await Image.remove(full('digests:2'), { host });
  expect((await Image.remove(byDigest, { host })).references).toEqual([full('digests:1')]);
  expect((await rejection(Image.remove(image.digest, { host }))).code).toBe('ERR_IMAGE_NOT_FOUND');
});

test('an image that a sandbox runs stays; by force its name goes', async () => {
  const image = await pull('used:1', busyboxImage('one'));
  await using box = await Sandbox.create({ image, host });
  expect((await rejection(image.remove())).code).toBe('ERR_IMAGE_IN_USE');
  expect((await Image.prune({ host, all: true })).references).toEqual([]);
  expect((await image.remove({ force: true })).layers).toEqual([]);
  expect((await box.exec(['cat', '/which'])).stdout).toBe('one');
});

test('pushes under another name; lists by label', async () => {
  const image = await pull('push:1', busyboxImage('one', { Labels: { a: '1', b: '2' } }));
  await pull('push:2', busyboxImage('two', { Labels: { a: '1' } }));
  const labels = async (wanted: Record<string, string>): Promise<string[]> =>
    (await Image.list({ host, labels: wanted })).map(({ reference }) => reference);
  expect(await labels({ a: '1' })).toEqual([full('push:1'), full('push:2')]);
  expect(await labels({ a: '1', b: '2' })).toEqual([full('push:1')]);

  const pushed = await image.push({ to: full('elsewhere/app:3') });
  expect(pushed).toEqual({ reference: full('elsewhere/app:3'), digest: image.digest });
  const again = await Image.pull(full('elsewhere/app:3'), { host, policy: 'missing' });
  expect(again.digest).toBe(image.digest);
  lab.proxy.reset();
  await Image.pull(full('elsewhere/app:3'), { host, policy: 'missing' });
  expect(lab.proxy.seen).toEqual([]);
});

test('a sandbox of a reference tells of its pull; layers of another driver are unpacked from the store', async () => {
  const made = busyboxImage('one');
  await publish(lab.client, lab.reference('implicit:1'), made);
  const image = full('implicit:1');
  expect((await Sandbox.run(['cat', '/which'], { image, host })).stdout).toBe('one');
  expect((await Sandbox.run(['cat', '/which'], { image, host })).stdout).toBe('one');
  await expect.poll(() => seen.filter((each) => each.startsWith('image-'))).toEqual(['image-pulled implicit:1']);
  lab.proxy.reset();
  const other = new Host({ root: host.root, stateDir: host.stateDir, storage: 'copy' });
  try {
    expect((await Sandbox.run(['cat', '/which'], { image, host: other, pull: 'never' })).stdout).toBe('one');
  } finally {
    await other.close();
  }
  expect(lab.proxy.seen).toEqual([]);
});

test('an operation that is aborted, or whose host is closed, ends with a typed error', async () => {
  await publish(lab.client, lab.reference('slow:1'), busyboxImage('one'));
  lab.proxy.always(/^GET .*slow/, { kind: 'hang' });
  const abort = new AbortController();
  const aborted = rejection(Image.pull(full('slow:1'), { host, signal: abort.signal }));
  const closed = rejection(Image.pull(full('slow:1'), { host }));
  setTimeout(() => abort.abort(), 50);
  expect((await aborted).code).toBe('ERR_ABORTED');
  await host.close();
  expect((await closed).code).toBe('ERR_ABORTED');
  expect((await rejection(Image.list({ host }))).code).toBe('ERR_SANDBOX_STATE');
});

test.each([
  ['15', 15],
  ['37', 37],
  ['RTMIN+3', 37],
  ['SIGNOT', 15],
])('a sandbox is stopped by the StopSignal %s of its image', async (StopSignal, number) => {
  const image = await pull('signal:1', busyboxImage('one', { StopSignal }));
  await using box = await Sandbox.create({ image, host });
  const script = `trap 'echo got ${number}; exit 7' ${number}; echo ready; while :; do sleep 0.05; done`;
  const waiting = box.exec(['sh', '-c', script]);
  for await (const { data } of waiting) if (String(data).includes('ready')) break;
  await box.stop({ timeout: '20s' });
  expect(await waiting).toMatchObject({ exitCode: 7, stdout: `ready\ngot ${number}\n` });
});

test("what is missing of an image is fetched again by the policy 'missing'", async () => {
  const made = busyboxImage('one');
  const image = await pull('lost:1', made);
  const removed = made.layers.map(({ digest }) => digest.replace('sha256:', ''));
  for (const name of removed) rmSync(join(lab.root, 'host/content/blobs/sha256', name));
  const other = new Host({
    root: join(lab.root, 'host'),
    stateDir: join(lab.root, 'state'),
    storage: 'copy',
    registries: { useCredentialFiles: false },
  });
  try {
    const never = Sandbox.run(['cat', '/which'], { image: full('lost:1'), host: other, pull: 'never' });
    expect((await rejection(never)).code).toBe('ERR_NOT_FOUND');
    const { stdout } = await Sandbox.run(['cat', '/which'], { image: full('lost:1'), host: other });
    expect(stdout).toBe('one');
    expect((await Image.pull(full('lost:1'), { host: other, policy: 'missing' })).digest).toBe(image.digest);
  } finally {
    await other.close();
  }
});
