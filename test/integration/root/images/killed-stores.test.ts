import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openImages, type ImageContext } from '../../../../lib/image/image-context.js';
import { pullImage } from '../../../../lib/image/pull.js';
import { parseReference } from '../../../../lib/image/reference.js';
import { RegistryClient } from '../../../../lib/image/registry/client.js';
import { collectGarbage } from '../../../../lib/image/remove.js';
import { readImage } from '../../../../lib/image/stored-image.js';
import { nativeParts } from '../../../../lib/native/addon.js';
import { OverlaySnapshotter } from '../../../../lib/rootfs/overlay.js';
import { sha256 } from '../../../support/content.js';
import { noise } from '../../../support/noise.js';
import { startRegistry, type TestRegistry } from '../../../support/registry.js';
import { repetitions } from '../../../support/repetitions.js';
import { makeScratch } from '../../../support/scratch.js';
import { layerOf, publish, testImage, type TestImage } from '../../../support/test-image.js';

const APPLICATION = fileURLToPath(new URL('../../../support/store-app.mjs', import.meta.url));
const PROCESSES = 4;
const ROUNDS = repetitions(6, 3);
const KEPT = 6;
const DROPPED = 12;
const FILES = 20;
/** When an application is killed: after so many things that it finished, and then at most so much later. */
const MOST_FINISHED = 12;
const MOST_MORE_MS = 150;

const scratch = makeScratch('killed-stores');
const root = join(scratch.path, 'root');
let registry: TestRegistry;
let client: RegistryClient;

/** Layers that images of both kinds share, and one of each image's own. */
const bytesOf = (layer: number, name: number): Buffer => noise(layer * FILES + name, 20_000);
const layer = (number: number): Buffer =>
  layerOf(
    Object.fromEntries(Array.from({ length: FILES }, (_, name) => [`d${name % 5}/f${name}`, bytesOf(number, name)])),
  );
const SHARED = 4;
const imageOf = (number: number): TestImage =>
  testImage([layer(number % SHARED), layer((number + 1) % SHARED), layer(SHARED + number)]);

beforeAll(async () => {
  registry = await startRegistry();
  client = new RegistryClient({ useCredentialFiles: false });
  for (let i = 0; i < KEPT; i++) await publish(client, parseReference(`${registry.host}/kept:${i}`), imageOf(i));
  for (let i = 0; i < DROPPED; i++)
    await publish(client, parseReference(`${registry.host}/dropped:${i}`), imageOf(KEPT + i));
});

afterAll(async () => {
  await client.close();
  await registry[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

/** Runs one application and kills it at some moment. Resolves with what it said until then. */
async function runAndKill(seed: number): Promise<string[]> {
  const args = [APPLICATION, root, registry.host, String(KEPT), String(DROPPED), String(seed)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const said: string[] = [];
  const enough = 1 + Math.floor(Math.random() * MOST_FINISHED);
  const lines = createInterface({ input: child.stdout });
  const ended = once(lines, 'close');
  await new Promise<void>((resolve) => {
    lines.on('close', resolve);
    lines.on('line', (line) => {
      if (said.push(line) >= enough) resolve();
    });
  });
  await sleep(Math.random() * MOST_MORE_MS);
  child.kill('SIGKILL');
  await ended;
  return said;
}

function openStore(): ImageContext & Disposable {
  const layers = new OverlaySnapshotter(join(root, 'layers/overlay'));
  return openImages(root, (...range) => nativeParts().addon.lockRange(...range), layers);
}

/** Every name leads to a whole image. Returns the names. */
async function expectWhole(store: ImageContext): Promise<string[]> {
  const records = await store.names.list();
  for (const record of records) {
    const { manifest, config } = await readImage(store, record);
    for (const { digest, size } of manifest.layers) expect(await store.content.stat(digest)).toEqual({ size });
    for (const diffId of config.diffIds) expect(await store.layers.has(diffId)).toBe(true);
  }
  return records.map(({ reference }) => reference);
}

/** Interrupted downloads are kept for a day, to be continued. */
function letPartialsAge(): void {
  for (const name of readdirSync(join(root, 'content/ingest'))) utimesSync(join(root, 'content/ingest', name), 1, 1);
}

/** What lies in the trees of the layers is what was packed. */
function expectTrees(numbers: readonly number[]): void {
  for (const number of numbers) {
    const tree = join(root, 'layers/overlay/sha256', sha256(layer(number)).slice(7), 'tree');
    for (let name = 0; name < FILES; name++) {
      expect(readFileSync(join(tree, `d${name % 5}/f${name}`)).equals(bytesOf(number, name))).toBe(true);
    }
  }
}

test(`${PROCESSES} processes that share a store, each killed ${ROUNDS} times`, async () => {
  const complete = new Set<string>();
  let finished = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const said = await Promise.all(
      Array.from({ length: PROCESSES }, (_, index) => runAndKill(round * PROCESSES + index + 1)),
    );
    for (const line of said.flat()) {
      const [what, name] = line.split(' ');
      expect(what, line).not.toBe('failed');
      if (what === 'pulled' && name?.startsWith('kept') === true) complete.add(`${registry.host}/${name}`);
      if (what === 'pulled' || what === 'removed') finished++;
    }
    using store = openStore();
    expect(await store.content.verify()).toEqual([]);
    const names = await expectWhole(store);
    expect(names).toEqual(expect.arrayContaining([...complete]));
  }
  expect(finished).toBeGreaterThanOrEqual(ROUNDS * PROCESSES);
  expect(complete.size).toBeGreaterThan(0);

  using store = openStore();
  letPartialsAge();
  await collectGarbage(store);
  await expectWhole(store);
  expect(readdirSync(join(root, 'content/ingest'))).toEqual([]);
  expect(readdirSync(join(root, 'images')).filter((name) => !/^[0-9a-f]{64}\.json$/.test(name))).toEqual([]);
  // Whatever had begun can be done.
  for (let i = 0; i < DROPPED; i++) await pullImage(store, client, parseReference(`${registry.host}/dropped:${i}`));
  await expect.poll(() => readdirSync(join(root, 'layers/overlay/drafts')), { timeout: 30_000 }).toEqual([]);
  expect(await store.content.verify()).toEqual([]);
  expectTrees(Array.from({ length: SHARED + KEPT + DROPPED }, (_, number) => number));
});
