import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Host, Image, Sandbox, type HostEvent } from '../../../../lib/index.js';
import { importTestImage } from '../../../support/archives.js';
import { busyboxImage } from '../../../support/busybox-image.js';
import { startDocker } from '../../../support/docker.js';
import { makeScratch } from '../../../support/scratch.js';

test('Docker loads what is saved, and what Docker saves is loaded and runs', async () => {
  using scratch = makeScratch('docker-archives');
  const path = (name: string): string => join(scratch.path, name);
  const open = (name: string): Host =>
    new Host({
      root: path(name),
      stateDir: path(`${name}-state`),
      storage: 'overlay',
      registries: { useCredentialFiles: false },
    });
  await using docker = await startDocker();
  const [host, other] = [open('host'), open('other')];
  try {
    const health = { Test: ['CMD', 'true'], Interval: 5e9 };
    const one = await importTestImage(host, busyboxImage('one', { Healthcheck: health }), 'app:1');
    const two = await importTestImage(host, busyboxImage('two'), 'registry.example/team/app:2');
    await one.tag('me/app');
    await Image.save(['app:1', 'me/app', two], path('in.tar'), { format: 'docker', host });
    await docker.docker('load', '-i', path('in.tar'));
    const inspected = JSON.parse(
      await docker.docker('image', 'inspect', 'app:1', 'registry.example/team/app:2'),
    ) as object;
    expect(inspected).toMatchObject([
      { Id: one.id, RepoTags: ['app:1', 'me/app:latest'], Config: { Healthcheck: health } },
      { Id: two.id, RootFS: { Layers: two.layers.map(({ diffId }) => diffId) } },
    ]);

    await docker.docker('save', '-o', path('out.tar'), 'app:1', 'me/app', 'registry.example/team/app:2');
    const back = await Image.load(path('out.tar'), { host: other });
    expect(back.map(({ reference, id }) => [reference, id]).sort()).toEqual([
      ['docker.io/library/app:1', one.id],
      ['docker.io/me/app:latest', one.id],
      ['registry.example/team/app:2', two.id],
    ]);
    expect(
      (await Sandbox.run(['cat', '/which'], { image: 'registry.example/team/app:2', host: other, pull: 'never' }))
        .stdout,
    ).toBe('two');
  } finally {
    await host.close();
    await other.close();
  }
});

test('operations with archives are events of the host', async () => {
  using scratch = makeScratch('archive-events');
  const path = (name: string): string => join(scratch.path, name);
  const host = new Host({ root: path('host'), stateDir: path('state'), storage: 'overlay' });
  const seen: HostEvent[] = [];
  const events = host.events();
  const listening = (async () => {
    for await (const event of events) seen.push(event);
  })();
  try {
    const image = await importTestImage(host, busyboxImage('one'), 'app:1');
    await image.save(path('a.tar'));
    await Image.load(path('a.tar'), { host });
    await image.export(path('b.tar'));
    const imported = await Image.import(path('b.tar'), 'b', { host });
    const stamp = { time: expect.any(Number) as number, reference: image.reference, digest: image.digest };
    await expect
      .poll(() => seen)
      .toEqual([
        { type: 'image-saved', ...stamp, path: path('a.tar') },
        { type: 'image-loaded', ...stamp, path: path('a.tar') },
        { type: 'image-exported', ...stamp, path: path('b.tar') },
        { type: 'image-imported', time: stamp.time, reference: imported.reference, digest: imported.digest },
      ]);
  } finally {
    await host.close();
    await events.return?.();
    await listening;
  }
});
