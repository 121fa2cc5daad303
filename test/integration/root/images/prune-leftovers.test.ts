import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Host, Image, Sandbox, type Snapshotter } from '../../../../lib/index.js';
import { splitDigest } from '../../../../lib/shared/digest.js';
import { busyboxLayer } from '../../../support/busybox-image.js';
import { directorySnapshotter } from '../../../support/directory-snapshotter.js';
import { file } from '../../../support/tar.js';

/** On a disk, as EROFS needs it. */
let root: string;
const hosts: Host[] = [];

beforeEach(() => {
  root = mkdtempSync('/var/tmp/cloister-leftovers-');
});

afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close();
  rmSync(root, { recursive: true });
});

/** As another process would have it. */
function open(storage: 'overlay' | 'erofs' | 'copy' | Snapshotter): Host {
  const host = new Host({ root: root, stateDir: join(root, 'state'), storage });
  hosts.push(host);
  return host;
}

async function make(host: Host, name: string): Promise<Image> {
  const source = (async function* () {
    yield busyboxLayer(file('name', name));
  })();
  return Image.import(source, name, { host, config: { env: { PATH: '/bin' }, cmd: ['cat', '/name'] } });
}

function pathOf(driver: string, image: Image): string {
  return join(root, 'layers', driver, ...splitDigest(image.layers[0]!.diffId));
}

const run = async (image: string, host: Host): Promise<string> =>
  (await Sandbox.run([], { image, host, pull: 'never' })).stdout;

test.each(['erofs', 'copy'] as const)(
  'what another driver than %s has unpacked goes, and nothing is lost',
  async (storage) => {
    const [before, now] = [open('overlay'), open(storage)];
    const [kept, gone] = [await make(before, 'kept:1'), await make(before, 'gone:1')];
    await Image.remove('gone:1', { host: now });
    expect([kept, gone].map((image) => existsSync(pathOf('overlay', image)))).toEqual([true, false]);
    const removed = await Image.prune({ host: now });
    expect(removed).toMatchObject({ references: [], blobs: [], layers: [kept.layers[0]!.diffId] });
    expect(removed.bytes).toBeGreaterThan(1_000_000);
    expect(readdirSync(join(root, 'layers/overlay/sha256'))).toEqual([]);
    expect(await run('kept:1', now)).toBe('kept:1');
    // Also where the other driver is still in use.
    expect(await run('kept:1', before)).toBe('kept:1');
  },
);

test('what a sandbox of another process runs stays', async () => {
  const [before, now] = [open('overlay'), open('copy')];
  const image = await make(before, 'used:1');
  {
    await using box = await Sandbox.create({ image, host: before });
    expect((await Image.prune({ host: now, all: true })).layers).toEqual([]);
    expect((await box.exec(['cat', '/name'])).stdout).toBe('used:1');
  }
  expect((await Image.prune({ host: now })).layers).toEqual([image.layers[0]!.diffId]);
});

test('what is not stored stays, whoever unpacked it', async () => {
  const [before, now] = [open('overlay'), open('copy')];
  const image = await make(before, 'bare:1');
  rmSync(join(root, 'content/blobs', ...splitDigest(image.layers[0]!.digest)));
  expect((await Image.prune({ host: now })).layers).toEqual([]);
  expect(await run('bare:1', before)).toBe('bare:1');
});

test('with a driver of one’s own, too', async () => {
  const image = await make(open('overlay'), 'own:1');
  const own = open(directorySnapshotter(join(root, 'own')));
  expect((await Image.prune({ host: own })).layers).toEqual([image.layers[0]!.diffId]);
});

test.each(['overlay', 'erofs', 'copy'] as const)('what a crash of the machine left of %s goes', async (storage) => {
  const host = open(storage);
  const [whole, torn] = [await make(host, 'whole:1'), await make(host, 'torn:1')];
  // As after another start, of a layer that was not on disk by then.
  const path = pathOf(storage, torn);
  const about = join(path, 'layer.json');
  while (!existsSync(join(path, 'synced'))) await new Promise((done) => setTimeout(done, 10));
  rmSync(join(path, 'synced'));
  writeFileSync(about, JSON.stringify({ ...(JSON.parse(readFileSync(about, 'utf8')) as object), boot: 'another' }));
  const deadOwner = '00000000-1-1-1-00000000';
  const drafts = ['overlay', 'erofs', 'copy'].map((name) => `layers/${name}/drafts`).concat('writable', 'flat');
  for (const draft of drafts) mkdirSync(join(root, draft, deadOwner, 'x'), { recursive: true });
  await host.close();

  await Image.prune({ host: open(storage) });
  expect([whole, torn].map((image) => existsSync(pathOf(storage, image)))).toEqual([true, false]);
  for (const draft of drafts) expect(existsSync(join(root, draft, deadOwner))).toBe(false);
  expect(await run('torn:1', open(storage))).toBe('torn:1');
});
