import { execFileSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Canary } from '../../../support/canary.js';
import { unpackInto, unpackWithUmoci } from '../../../support/layers.js';
import { makeScratch } from '../../../support/scratch.js';
import { archive, directory, file, hardLink, symlink } from '../../../support/tar.js';
import { readTree } from '../../../support/tree.js';

let canary: Canary;
beforeAll(() => void (canary = new Canary('stacks')));
afterAll(() => canary[Symbol.dispose]());

const whiteout = (path: string): Buffer => file(path.replace(/([^/]+)$/, '.wh.$1'));
const opaque = (path: string): Buffer => file(`${path}/.wh..wh..opq`);

async function apply(layers: readonly Uint8Array[]): Promise<string> {
  const root = canary.renew();
  for (const layer of layers) await unpackInto(root, layer, { whiteouts: 'apply' });
  return root;
}

/** What a sandbox sees of the layers: each unpacked on its own, stacked by the kernel. */
async function mounted(layers: readonly Uint8Array[], read: (root: string) => void): Promise<void> {
  const trees: string[] = [];
  for (const layer of layers) {
    trees.unshift(canary.renew());
    await unpackInto(canary.layer, layer);
  }
  // One lower directory alone is no overlay.
  trees.push(canary.renew());
  const target = canary.renew();
  execFileSync('mount', ['-t', 'overlay', '-o', `ro,lowerdir=${trees.join(':')}`, 'cloister-test', target]);
  try {
    read(target);
  } finally {
    execFileSync('umount', [target]);
  }
}

/** As tools write them: with the directories around it. */
const around = (p: string, part: Buffer): Buffer => {
  const names = p.split('/').slice(0, -1);
  return Buffer.concat([...names.map((_, i) => directory(names.slice(0, i + 1).join('/'))), part]);
};

/**
 * Few names, so that entries of one stack of layers meet. Links have one of their own: a path that leads through a link of a
 * lower layer means another one when each layer is unpacked for itself, in every engine.
 */
const path = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));
const part = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(path, fc.integer({ min: 1, max: 999 })).map(([p, n]) => file(p, `${n}`)) },
  { weight: 3, arbitrary: fc.tuple(path, fc.integer({ min: 1, max: 99 })).map(([p, n]) => directory(p, { uid: n })) },
  { weight: 1, arbitrary: path.map((p) => symlink(`${p}/l`, 'nowhere')) },
  { weight: 3, arbitrary: path.map((p) => around(p, whiteout(p))) },
  { weight: 2, arbitrary: path.map((p) => around(`${p}/x`, opaque(p))) },
);
const stack = fc.array(fc.array(part, { maxLength: 8 }), { minLength: 1, maxLength: 4 });

/**
 * What programs see: type, owner and contents of every path. Whiteouts in a directory that only one layer has are listed by
 * overlayfs, though nothing is there.
 */
function seen(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (at: string): void => {
    for (const name of readdirSync(join(root, at))) {
      const where = join(at, name);
      const info = lstatSync(join(root, where), { throwIfNoEntry: false });
      if (info?.isDirectory() === true) found[where] = 'directory';
      else if (info?.isFile() === true) found[where] = `${info.uid} ${readFileSync(join(root, where), 'utf8')}`;
      else if (info !== undefined) found[where] = 'link';
      if (info?.isDirectory() === true) visit(where);
    }
  };
  visit('.');
  return found;
}

test('stacked by the kernel or applied one after the other', async () => {
  await fc.assert(
    fc.asyncProperty(stack, async (layers) => {
      const archives = layers.map((parts) => archive(...parts));
      const applied = seen(await apply(archives));
      await mounted(archives, (root) => expect(seen(root)).toEqual(applied));
    }),
    { numRuns: 100 },
  );
});

test('as umoci, for layers that say what they mean', async () => {
  const lower = [
    directory('etc', { mtime: 1 }),
    file('etc/a', 'x'),
    file('etc/b', 'y'),
    directory('usr'),
    file('usr/c'),
  ];
  const middle = [
    directory('etc', { mtime: 2 }),
    whiteout('etc/a'),
    file('etc/n', 'z'),
    whiteout('usr'),
    symlink('lib', 'etc'),
  ];
  const upper = [
    directory('usr'),
    opaque('etc'),
    file('etc/m'),
    file('lib/k', 'through the link'),
    hardLink('h', 'etc/m'),
  ];
  const layers = [lower, middle, upper].map((parts) => archive(directory('./', { mtime: 9 }), ...parts));
  using scratch = makeScratch('umoci');
  const root = await apply(layers);
  expect(readTree(root)).toEqual(readTree(unpackWithUmoci(scratch.path, layers)));
});
