import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Host, Image, Sandbox } from '../../../../lib/index.js';
import { errnoOf } from '../../../../lib/shared/file-error.js';
import { busyboxLayer } from '../../../support/busybox-image.js';
import { makeScratch } from '../../../support/scratch.js';

type Driver = 'overlay' | 'copy';

/** One that is full when it has so many files. */
let disk: ReturnType<typeof makeScratch>;
let elsewhere: ReturnType<typeof makeScratch>;
const hosts: Host[] = [];

beforeEach(() => {
  disk = makeScratch('full-disk', '64m,nr_inodes=400');
  elsewhere = makeScratch('full-disk-state');
});

afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close();
  disk[Symbol.dispose]();
  elsewhere[Symbol.dispose]();
});

function open(storage?: Driver): Host {
  const root = join(disk.path, 'root');
  const host = new Host({ root, stateDir: join(elsewhere.path, 'state'), ...(storage && { storage }) });
  hosts.push(host);
  return host;
}

const filler = (number: number): string => join(disk.path, `filler-${number}`);

function fillDisk(): void {
  for (let number = 0; ; number++) {
    try {
      writeFileSync(filler(number), '');
    } catch (error) {
      expect(errnoOf(error)).toBe('ENOSPC');
      return;
    }
  }
}

function freeDisk(): void {
  for (let number = 0; existsSync(filler(number)); number++) rmSync(filler(number));
}

/** An application makes an image and ends; then the disk is full. */
async function makeImage(storage?: Driver): Promise<Image> {
  const host = open(storage);
  const source = (async function* () {
    yield busyboxLayer();
  })();
  const image = await Image.import(source, 'app:1', { host, config: { env: { PATH: '/bin' }, cmd: ['true'] } });
  await host.close();
  fillDisk();
  return image;
}

test.each([undefined, 'overlay', 'copy'] as const)(
  'images are found and removed where there is no space left, with the driver %s',
  async (storage) => {
    const image = await makeImage(storage);
    const host = open(storage);
    expect((await Image.list({ host })).map(({ digest }) => digest)).toEqual([image.digest]);
    await expect(Image.tag('app:1', 'other:1', { host })).rejects.toMatchObject({
      code: 'ERR_KERNEL',
      errno: 'ENOSPC',
    });
    expect(await Image.remove('app:1', { host })).toMatchObject({ layers: [image.layers[0]!.diffId] });
    expect(readdirSync(join(disk.path, 'root/layers', storage ?? 'overlay', 'sha256'))).toEqual([]);
  },
);

test('what another driver has unpacked is removed where there is no space left', async () => {
  const image = await makeImage('overlay');
  const host = open('copy');
  expect(await Image.prune({ host })).toMatchObject({ blobs: [], layers: [image.layers[0]!.diffId] });
  expect(readdirSync(join(disk.path, 'root/layers/overlay/sha256'))).toEqual([]);
  freeDisk();
  expect((await Sandbox.run([], { host, image: 'app:1', pull: 'never' })).exitCode).toBe(0);
});

test('a driver is chosen when there is space again', async () => {
  fillDisk();
  const host = open();
  await expect(Image.list({ host })).rejects.toMatchObject({ code: 'ERR_KERNEL', errno: 'ENOSPC' });
  freeDisk();
  expect(await Image.list({ host })).toEqual([]);
});
