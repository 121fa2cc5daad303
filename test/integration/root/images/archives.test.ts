import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { Image, Sandbox, type Host } from '../../../../lib/index.js';
import { importTestImage } from '../../../support/archives.js';
import { busyboxImage, busyboxLayer } from '../../../support/busybox-image.js';
import { HostLab } from '../../../support/host-lab.js';
import { skopeo } from '../../../support/skopeo.js';
import { layerOf, testImage, testIndex } from '../../../support/test-image.js';

const HERE = process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64';
const THERE = process.arch === 'arm64' ? 'linux/amd64' : 'linux/arm64';

const lab = new HostLab('archives');
const path = (name: string): string => lab.path(name);

const run = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { cwd: lab.path(), encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** Podman with a store of its own. */
const podman = (...args: string[]): string =>
  run('podman', '--root', path('podman'), '--runroot', path('podman-run'), '--storage-driver', 'vfs', ...args);

async function which(image: Image, on: Host): Promise<string> {
  return (await Sandbox.run(['cat', '/which'], { image, host: on, pull: 'never' })).stdout;
}

const CONFIG = { Labels: { made: 'here' }, User: '0', WorkingDir: '/bin', Env: ['PATH=/bin', 'A=b'] };

describe.each(['oci', 'docker'] as const)('%s', (format) => {
  test('what is saved is read by skopeo and Podman, and comes back as it was', async () => {
    const made = busyboxImage('one', CONFIG);
    const image = await importTestImage(lab.host, made, 'docker.io/library/app:1');
    await image.tag('registry.example:5000/team/app:2');
    const second = await importTestImage(lab.host, busyboxImage('two', CONFIG), 'registry.example/second:1');
    await Image.save(['app:1', 'registry.example:5000/team/app:2', second], path('images.tar'), {
      format,
      host: lab.host,
    });

    const kind = format === 'oci' ? 'oci-archive' : 'docker-archive';
    const reference = format === 'oci' ? 'docker.io/library/app:1' : 'app:1';
    const inspected = JSON.parse(await skopeo('inspect', `${kind}:${path('images.tar')}:${reference}`)) as object;
    expect(inspected).toMatchObject({ Labels: { made: 'here' }, Env: ['PATH=/bin', 'A=b'] });
    await skopeo('copy', `${kind}:${path('images.tar')}:${reference}`, `dir:${path('dir')}`);
    const saved = JSON.parse(readFileSync(path('dir/manifest.json'), 'utf8')) as { config: { digest: string } };
    expect(saved.config.digest).toBe(made.config.digest);

    await second.save(path('second.tar'), { format });
    podman('load', '-i', path('second.tar'));
    const [loaded] = JSON.parse(podman('image', 'inspect', 'registry.example/second:1')) as {
      Id: string;
      RootFS: { Layers: string[] };
    }[];
    expect(`sha256:${loaded!.Id}`).toBe(second.id);
    expect(loaded!.RootFS.Layers).toEqual(second.layers.map(({ diffId }) => diffId));

    const back = await Image.load(path('images.tar'), { host: lab.other });
    expect(back.map(({ reference: name }) => name).sort()).toEqual([
      'docker.io/library/app:1',
      'registry.example/second:1',
      'registry.example:5000/team/app:2',
    ]);
    for (const each of back) {
      const original = await Image.get(each.reference, { host: lab.host });
      expect(each.id).toBe(original.id);
      if (format === 'oci') expect(each.digest).toBe(original.digest);
      expect(await which(each, lab.other)).toBe(each.reference.includes('second') ? 'two' : 'one');
    }
    expect(await lab.other.images.use('looking', undefined, ({ context }) => context.content.verify())).toEqual([]);
  });

  test('what Podman saves is loaded and runs', async () => {
    const image = await importTestImage(lab.host, busyboxImage('one', CONFIG), 'registry.example/podman:1');
    await image.save(path('in.tar'), { format: 'oci' });
    podman('load', '-i', path('in.tar'));
    podman('save', '--format', `${format}-archive`, '-o', path('out.tar'), 'registry.example/podman:1');
    const [back] = await Image.load(path('out.tar'), { host: lab.other });
    expect(back).toMatchObject({ reference: 'registry.example/podman:1', labels: { made: 'here' } });
    expect(await which(back!, lab.other)).toBe('one');
  });

  test('what skopeo copies is loaded and runs, compressed or not', async () => {
    const image = await importTestImage(lab.host, busyboxImage('one', CONFIG), 'app:1');
    await image.save(path('in.tar'));
    const kind = format === 'oci' ? 'oci-archive' : 'docker-archive';
    await skopeo('copy', `oci-archive:${path('in.tar')}`, `${kind}:${path('out.tar')}:registry.example/copied:3`);
    for (const pack of ['cat', 'gzip -c', 'zstd -c']) {
      execFileSync('sh', ['-c', `${pack} < ${path('out.tar')} > ${path('packed')}`]);
      const [back] = await Image.load(path('packed'), { host: lab.other });
      expect(back!.reference).toBe('registry.example/copied:3');
      expect(await which(back!, lab.other)).toBe('one');
      await Image.prune({ all: true, host: lab.other });
    }
  });
});

test('umoci unpacks what is saved as a directory, and what umoci makes is loaded', async () => {
  const image = await importTestImage(lab.host, busyboxImage('one', CONFIG), 'app:1');
  await image.save(path('layout'), { directory: true });
  run('umoci', 'unpack', '--image', 'layout:docker.io/library/app:1', 'bundle');
  expect(readFileSync(path('bundle/rootfs/which'), 'utf8')).toBe('one');
  writeFileSync(path('bundle/rootfs/which'), 'umoci');
  run('umoci', 'repack', '--image', 'layout:2', 'bundle');
  const back = await Image.load(path('layout'), { host: lab.other });
  expect(back.map(({ reference }) => reference)).toEqual(['docker.io/library/app:1', 'localhost/layout:2']);
  expect(await which(back[0]!, lab.other)).toBe('one');
  expect(await which(back[1]!, lab.other)).toBe('umoci');
  const [named] = await Image.load(path('layout'), { host: lab.other, repository: 'me/app' });
  expect(named!.reference).toBe('docker.io/library/app:1');
  expect((await Image.get('me/app:2', { host: lab.other })).digest).toBe(back[1]!.digest);
});

test('skopeo copies to a layout with a tag alone', async () => {
  const image = await importTestImage(lab.host, busyboxImage('one'), 'app:1');
  await image.save(path('in.tar'));
  await skopeo('copy', `oci-archive:${path('in.tar')}`, `oci:${path('My Layout.oci')}:v1`);
  expect((await Image.load(path('My Layout.oci'), { host: lab.other }))[0]!.reference).toBe('localhost/my-layout:v1');
});

test('an index with several platforms stays one; a platform of it can be saved alone', async () => {
  const [here, there] = [HERE, THERE].map((platform) =>
    testImage([busyboxLayer(), layerOf({ which: platform })], { architecture: platform.slice(6) }),
  );
  const index = testIndex({ [HERE]: here!, [THERE]: there! });
  const image = await importTestImage(lab.host, here!, 'multi:1', { index, others: [there!] });
  expect(image.target).toBe(index.descriptor.digest);
  await image.save(path('multi.tar'));
  const raw = await skopeo('inspect', '--raw', `oci-archive:${path('multi.tar')}`);
  expect((JSON.parse(raw) as { manifests: { digest: string }[] }).manifests).toHaveLength(2);
  const [back] = await Image.load(path('multi.tar'), { host: lab.other });
  expect(back).toMatchObject({ digest: here!.manifest.digest, target: index.descriptor.digest });
  expect(await which(back!, lab.other)).toBe(HERE);
  expect((await back!.inspect()).platforms).toMatchObject([{ isHere: true }, { isHere: true }]);

  for (const format of ['oci', 'docker'] as const) {
    await back!.save(path(`${format}.tar`), { format, platform: THERE });
    const [alone] = await Image.load(path(`${format}.tar`), { host: lab.host, platform: THERE });
    expect(alone).toMatchObject({ platform: THERE, id: there!.config.digest });
  }
  await expect(Image.load(path('docker.tar'), { host: lab.host })).rejects.toMatchObject({
    code: 'ERR_PLATFORM_NOT_FOUND',
  });
  await expect(back!.save(path('none.tar'), { platform: 'linux/riscv64' })).rejects.toMatchObject({
    code: 'ERR_PLATFORM_NOT_FOUND',
  });
  expect(existsSync(path('none.tar'))).toBe(false);
});

test('the same images make the same archive, which replaces what was there', async () => {
  const image = await importTestImage(lab.host, busyboxImage('one'), 'app:1');
  for (const format of ['oci', 'docker'] as const) {
    await image.save(path('a.tar'), { format });
    await image.save(path('b.tar'), { format });
    expect(readFileSync(path('a.tar')).equals(readFileSync(path('b.tar')))).toBe(true);
  }
  expect(readdirSync(lab.path()).filter((name) => name.includes('cloister-'))).toEqual([]);
});

test('Docker images keep their configuration in an OCI layout, and layers of any kind in a Docker archive', async () => {
  const docker = testImage([busyboxLayer(), layerOf({ which: 'docker' })], {
    docker: true,
    config: { Env: ['PATH=/bin'], Healthcheck: { Test: ['CMD', 'true'] } },
  });
  const image = await importTestImage(lab.host, docker, 'app:1');
  await image.save(path('oci'), { directory: true });
  run('umoci', 'unpack', '--image', 'oci:docker.io/library/app:1', 'bundle');
  const [back] = await Image.load(path('oci'), { host: lab.other });
  expect(back).toMatchObject({ id: docker.config.digest, config: { healthcheck: { kind: 'exec' } } });
  expect(back!.digest).not.toBe(image.digest);
});

test('layers that are compressed inside a Docker archive are read, too', async () => {
  const made = busyboxImage('one');
  const image = await importTestImage(lab.host, made, 'app:1');
  await image.save(path('plain.tar'), { format: 'docker' });
  mkdirSync(path('files'));
  run('tar', '-xf', path('plain.tar'), '-C', path('files'));
  for (const diffId of made.diffIds) {
    const layer = path(`files/${diffId.slice(7)}/layer.tar`);
    writeFileSync(layer, gzipSync(readFileSync(layer)));
  }
  run('tar', '-cf', path('packed.tar'), '-C', path('files'), '.');
  const [back] = await Image.load(path('packed.tar'), { host: lab.other });
  expect(back!.layers.map(({ diffId }) => diffId)).toEqual(made.diffIds);
  expect(await which(back!, lab.other)).toBe('one');
});

test('of a variant that only the index tells', async () => {
  const old = testImage([layerOf({ which: 'v6' })], { architecture: 'arm' });
  const here = busyboxImage('here');
  const index = testIndex({ [HERE]: here, 'linux/arm/v6': old });
  const image = await importTestImage(lab.host, here, 'variants:1', { index, others: [old] });
  await image.save(path('variants.tar'));
  const [loaded] = await Image.load(path('variants.tar'), { host: lab.other, platform: 'linux/arm/v6' });
  expect(loaded?.digest).toBe(old.manifest.digest);
});

test('names are an image’s to choose: those of built-in objects are names as any other', async () => {
  const image = await importTestImage(lab.host, busyboxImage('one'), 'constructor:isFrozen');
  await image.save(path('names.tar'), { format: 'docker' });
  expect(Object.isFrozen).toBeTypeOf('function');
  const listed = run('tar', '-xOf', path('names.tar'), 'repositories');
  expect(JSON.parse(listed)).toEqual({ constructor: { isFrozen: expect.stringMatching(/^[0-9a-f]{64}$/) as string } });
});
