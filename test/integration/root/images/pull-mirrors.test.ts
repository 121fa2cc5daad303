import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { pullImage } from '../../../../lib/image/pull.js';
import type { RegistryClient } from '../../../../lib/image/registry/client.js';
import { FaultProxy, type Fault } from '../../../support/fault-proxy.js';
import { ImageLab } from '../../../support/image-lab.js';
import { noise } from '../../../support/noise.js';
import { USER } from '../../../support/registry.js';
import { rejection } from '../../../support/rejection.js';
import { using } from '../../../support/secrets.js';
import { layerOf, publish, testImage } from '../../../support/test-image.js';

const lab = new ImageLab();
const image = testImage([layerOf({ big: noise(8, 900_000) }), layerOf({ small: 'x' })]);
const LAYER = new RegExp(`^GET .*/blobs/${image.layers[0]!.digest}`);
const DAMAGE: Fault = { kind: 'corrupt', at: 300_000 };

let first: FaultProxy;
let second: FaultProxy;

beforeAll(async () => {
  [first, second] = [await FaultProxy.start(lab.registry.host), await FaultProxy.start(lab.registry.host)];
  await publish(lab.client, lab.reference('mirrored:1'), image);
});

beforeEach(() => [first, second].forEach((proxy) => proxy.reset()));

afterAll(async () => {
  for (const proxy of [first, second]) await proxy[Symbol.asyncDispose]();
});

const asked = (): number[] => [first, second, lab.proxy].map((proxy) => proxy.matching(LAYER).length);
const pull = async (derive = (client: RegistryClient): RegistryClient => client) =>
  using({ mirrors: { [lab.proxy.host]: [first.host, second.host] } }, (client) =>
    pullImage(lab.images, derive(client), lab.reference('mirrored:1')),
  );

test('a layer that a mirror damages comes from the next mirror, in the same pull', async () => {
  first.always(LAYER, DAMAGE);
  expect((await pull()).record.manifest.digest).toBe(image.manifest.digest);
  expect(asked()).toEqual([1, 1, 0]);
  expect(lab.partials()).toEqual([]);
  await lab.expectSound();
});

test.each<[string, Fault, Fault]>([
  ['that all mirrors damage', DAMAGE, DAMAGE],
  ['that one mirror damages and another cuts short', DAMAGE, { kind: 'truncate', after: 100_000 }],
  ['that one mirror damages and another has not', { kind: 'corrupt', at: 10 }, { kind: 'answer', status: 404 }],
])('a layer %s comes from the registry', async (_, ...faults) => {
  [first, second].forEach((proxy, index) => proxy.always(LAYER, faults[index]!));
  await pull((client) => client.withCredentials(lab.proxy.host, USER));
  expect(asked()[2]).toBe(1);
  await lab.expectSound();
});

test('a configuration that a mirror damages comes from the next', async () => {
  first.always(new RegExp(`/blobs/${image.config.digest}`), { kind: 'corrupt', at: 10 });
  await pull();
  await lab.expectSound();
});

test('what is wrong at the registry itself is an error, after each place was asked once', async () => {
  for (const proxy of [first, second, lab.proxy]) proxy.always(LAYER, DAMAGE);
  expect(await rejection(pull())).toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  expect(asked()).toEqual([1, 1, 1]);
  expect(lab.partials()).toEqual([]);
  expect(lab.images.layers.added).not.toContain(image.diffIds[0]);
  await lab.expectSound();
});
