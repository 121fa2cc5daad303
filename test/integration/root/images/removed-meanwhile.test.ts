import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseReference } from '../../../../lib/image/reference.js';
import { RegistryClient } from '../../../../lib/image/registry/client.js';
import { Host, Image, Sandbox } from '../../../../lib/index.js';
import { OverlaySnapshotter } from '../../../../lib/rootfs/overlay.js';
import type { Digest } from '../../../../lib/shared/digest.js';
import { busyboxLayer } from '../../../support/busybox-image.js';
import { startRegistry, type TestRegistry } from '../../../support/registry.js';
import { makeScratch } from '../../../support/scratch.js';
import { publish, testImage } from '../../../support/test-image.js';

const scratch = makeScratch('removed-meanwhile');
let registry: TestRegistry;
let image: string;

beforeAll(async () => {
  registry = await startRegistry();
  image = `${registry.host}/app:1`;
  await using client = new RegistryClient({ useCredentialFiles: false });
  await publish(client, parseReference(image), testImage([busyboxLayer()], { config: { Env: ['PATH=/bin'] } }));
});

afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

/** Lets something happen between a look at a layer and what comes of it. */
class InterruptedSnapshotter extends OverlaySnapshotter {
  next: (() => Promise<unknown>) | undefined;

  override async has(layer: Digest): Promise<boolean> {
    const found = await super.has(layer);
    const { next } = this;
    this.next = undefined;
    await next?.();
    return found;
  }
}

test('an image that another process removes before a sandbox holds it is pulled again', async () => {
  const snapshotter = new InterruptedSnapshotter(join(scratch.path, 'layers/overlay'));
  const places = { root: scratch.path, stateDir: join(scratch.path, 'state') };
  await using other = new Host({ ...places, storage: 'overlay' });
  await using host = new Host({ ...places, storage: snapshotter });
  await Image.pull(image, { host });
  snapshotter.next = () => Image.remove(image, { host: other });
  const { stdout } = await Sandbox.run(['echo', 'runs'], { host, image });
  expect(stdout).toBe('runs\n');
  expect(snapshotter.next).toBeUndefined();
  expect(await Image.list({ host })).toHaveLength(1);
});

test('an image can be removed as soon as the last of its sandboxes has told its result', async () => {
  const places = { root: join(scratch.path, 'at-once'), stateDir: join(scratch.path, 'at-once/state') };
  await using host = new Host({ ...places, storage: 'overlay' });
  for (let round = 0; round < 5; round++) {
    await Image.pull(image, { host });
    const runs = Array.from({ length: 20 }, () => Sandbox.run(['true'], { host, image, pull: 'never' }));
    await Promise.all(runs);
    expect((await Image.remove(image, { host })).references).toEqual([image]);
  }
});
