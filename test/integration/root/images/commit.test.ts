import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { pullImage } from '../../../../lib/image/pull.js';
import { pushImage } from '../../../../lib/image/push.js';
import { parseReference } from '../../../../lib/image/reference.js';
import { getImage } from '../../../../lib/image/stored-image.js';
import { Sandbox, type CommitOptions } from '../../../../lib/index.js';
import { BASE, CHANGES, CommitLab, ENTRIES, LISTING, sh, shIn } from '../../../support/commit-lab.js';
import { openTestImages } from '../../../support/images.js';
import { skopeo } from '../../../support/skopeo.js';
import { END } from '../../../support/tar.js';

const lab = new CommitLab();

describe.each(['overlay', 'erofs'] as const)('%s', (storage) => {
  const on = lab.host(storage);

  test('exactly the changes, on top of the image', async () => {
    await using box = await on.open();
    await sh(box, CHANGES);
    const image = await on.commit(box, 'me/changed:1');
    expect(image.record.reference).toBe('docker.io/me/changed:1');
    expect(image.manifest.layers.slice(0, 2)).toEqual(BASE.layers);
    expect(image.config.diffIds.slice(0, 2)).toEqual(BASE.diffIds);
    expect(image.manifest.layers).toHaveLength(3);
    expect(await on.entriesOf(image)).toEqual(ENTRIES);
    await using twin = await on.open('me/changed:1');
    expect(await sh(twin, LISTING)).toBe(await sh(box, LISTING));
    expect(await sh(twin, 'cat made changed second/file')).toContain('of the second layer');
  });

  test('pushed, and pulled elsewhere by others, it is the same', async () => {
    const { record, manifest } = await getImage(on.images, 'docker.io/me/changed:1');
    const target = parseReference(`${lab.registry.host}/commit/${storage}:1`);
    await pushImage(on.images, lab.client, record.reference, target);
    using elsewhere = openTestImages(lab.at(`${storage}-elsewhere`));
    const pulled = await pullImage(elsewhere, lab.client, target);
    expect(pulled.record.manifest).toEqual(record.manifest);
    expect(pulled.manifest).toEqual(manifest);
    expect(await elsewhere.content.verify()).toEqual([]);

    await using box = await on.open('me/changed:1');
    const wanted = await sh(box, LISTING);
    const layout = lab.at(`${storage}-layout`);
    await skopeo('copy', '--src-tls-verify=false', `docker://${target.toString()}`, `oci:${layout}:latest`);
    const unpacked = lab.at(`${storage}-umoci`);
    execFileSync('umoci', ['raw', 'unpack', '--image', `${layout}:latest`, unpacked], { stdio: 'pipe' });
    expect(shIn(unpacked, LISTING)).toBe(wanted);
  });

  test('nothing changed is an empty layer', async () => {
    await using box = await on.open();
    const image = await on.commit(box, 'me/same', { compression: 'none' });
    expect(await on.lastLayer(image)).toEqual(END);
    expect(image.record.reference).toBe('docker.io/me/same:latest');
    expect(image.manifest.layers.at(-1)).toMatchObject({
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      size: END.length,
    });
    await using twin = await on.open('me/same');
    expect(await sh(twin, LISTING)).toBe(await sh(box, LISTING));
  });

  test('one image on top of another, and what was added is deleted again', async () => {
    await using box = await on.open('me/changed:1');
    await sh(box, 'rm -r made again; mkdir again');
    const image = await on.commit(box, 'me/again:1');
    expect(image.manifest.layers).toHaveLength(4);
    expect(image.config.history.filter(({ createdBy }) => createdBy === 'cloister commit')).toHaveLength(2);
    expect(await on.entriesOf(image)).toEqual(['.wh.made', 'again/', 'again/.wh..wh..opq']);
    await using twin = await on.open('me/again:1');
    expect(await sh(twin, LISTING)).toBe(await sh(box, LISTING));
  });

  test('the configuration is the image’s with what the caller gives', async () => {
    await using box = await on.open();
    const given: CommitOptions = {
      env: { CHANGED: 'yes', MADE: 'a=b' },
      entrypoint: ['/bin/busybox'],
      cmd: ['echo', 'by its command'],
      workingDir: '/deep',
      user: '7:8',
      labels: { more: '1' },
      exposedPorts: [8080, '53/udp'],
      volumes: ['/data'],
      stopSignal: 'SIGQUIT',
      author: 'me',
      comment: 'why',
      createdBy: 'a test',
    };
    const { config, manifest } = await on.commit(box, 'me/configured:1', given);
    expect(config).toMatchObject({
      env: { PATH: '/bin', KEPT: 'yes', CHANGED: 'yes', MADE: 'a=b' },
      entrypoint: ['/bin/busybox'],
      cmd: ['echo', 'by its command'],
      workingDir: '/deep',
      user: '7:8',
      labels: { from: 'base', more: '1' },
      volumes: ['/data'],
      stopSignal: 'SIGQUIT',
      author: 'me',
    });
    expect(config.exposedPorts.map(({ port, protocol }) => `${port}/${protocol}`)).toEqual([
      '80/tcp',
      '8080/tcp',
      '53/udp',
    ]);
    expect(config.history.at(-1)).toMatchObject({
      createdBy: 'a test',
      comment: 'why',
      author: 'me',
      isEmptyLayer: false,
    });
    const raw = JSON.parse((await on.images.documents.configBytes(manifest.config.digest)).toString()) as {
      config: object;
    };
    expect(raw.config).toMatchObject({ OnBuild: ['RUN true'] });
    const result = await Sandbox.run([], { image: 'me/configured:1', host: on.host, pull: 'never' });
    expect(result).toMatchObject({ stdout: 'by its command\n', exitCode: 0 });
  });

  test('a health check is set, and switched off again', async () => {
    await using box = await on.open();
    await on.commit(box, 'me/health:1', { health: { command: ['true'], interval: 20 } });
    {
      await using checked = await on.open('me/health:1');
      await expect.poll(() => checked.health, { timeout: 10_000 }).toBe('healthy');
      const { config } = await on.commit(checked, 'me/health:2', { health: 'none' });
      expect(config.healthcheck).toMatchObject({ kind: 'none', command: [] });
    }
    await using unchecked = await on.open('me/health:2');
    expect(unchecked.health).toBeUndefined();
    const { config } = await getImage(on.images, 'docker.io/me/health:1');
    expect(config.healthcheck).toMatchObject({ kind: 'exec', command: ['true'], intervalMs: 20, timeoutMs: undefined });
  });

  test('of a writable layer on disk', async () => {
    await using box = await on.open(undefined, { writable: 'disk' });
    await sh(box, CHANGES);
    expect(await on.entriesOf(await on.commit(box, 'me/disk:1'))).toEqual(ENTRIES);
  });
});

test('podman unpacks the same', async () => {
  const storage = ['--root', lab.at('podman'), '--runroot', lab.at('podman-run'), '--cgroup-manager', 'cgroupfs'];
  const podman = (...args: string[]) =>
    execFileSync('podman', [...storage, ...args], { encoding: 'utf8', stdio: 'pipe' }).trim();
  const name = `${lab.registry.host}/commit/overlay:1`;
  podman('pull', '--quiet', '--tls-verify=false', name);
  const mounted = podman('image', 'mount', name);
  const theirs = shIn(mounted, LISTING);
  podman('image', 'unmount', name);
  podman('rmi', name);
  expect(theirs).toBe(shIn(lab.at('overlay-umoci'), LISTING));
});
