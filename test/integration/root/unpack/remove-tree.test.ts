import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { removeTree } from '../../../../lib/native/layers.js';
import { rejection } from '../../../support/rejection.js';
import { makeScratch } from '../../../support/scratch.js';

let scratch: ReturnType<typeof makeScratch>;
let parent: number;
let tree: string;

beforeAll(() => {
  scratch = makeScratch('remove');
  tree = join(scratch.path, 'tree');
  parent = openSync(scratch.path, 'r');
});
afterAll(() => {
  closeSync(parent);
  scratch[Symbol.dispose]();
});
beforeEach(() => mkdirSync(tree));

async function remove(): Promise<void> {
  await removeTree(parent, 'tree');
  expect(existsSync(tree)).toBe(false);
}

test('one of everything', async () => {
  mkdirSync(join(tree, 'a/b/c'), { recursive: true });
  for (let i = 0; i < 3000; i++) writeFileSync(join(tree, 'a/b', `f${i}`), '');
  execFileSync(
    'bash',
    ['-euc', 'mkfifo a/p; mknod n c 0 0; ln -s / root; ln a/b/f1 hard; mkdir -m 0 closed; touch closed/x'],
    {
      cwd: tree,
    },
  );
  await remove();
});

test('nothing, a file, and a link, which is not followed', async () => {
  await remove();
  await remove();
  writeFileSync(tree, '');
  await remove();
  mkdirSync(join(scratch.path, 'kept/inside'), { recursive: true });
  symlinkSync('kept', tree);
  await remove();
  mkdirSync(tree);
  symlinkSync('../kept', join(tree, 'link'));
  await remove();
  expect(readdirSync(join(scratch.path, 'kept'))).toEqual(['inside']);
});

test('20,000 directories deep, with files on the way that have names of our own', async () => {
  // Built from below: no path of that length can be named.
  const step = 1000;
  const deep = join(scratch.path, 'deep');
  for (let i = 0; i < 20_000 / step; i++) {
    const next = join(scratch.path, 'next');
    mkdirSync(join(next, 'd/'.repeat(step)), { recursive: true });
    writeFileSync(join(next, '.cloister-removed-1'), '');
    mkdirSync(join(next, '.cloister-removed-2/x'), { recursive: true });
    if (existsSync(deep)) renameSync(deep, join(next, 'd/'.repeat(step), 'deep'));
    renameSync(next, deep);
  }
  renameSync(deep, join(tree, 'deep'));
  await remove();
});

test('files and directories that are immutable', async () => {
  mkdirSync(join(tree, 'd/e'), { recursive: true });
  writeFileSync(join(tree, 'd/e/f'), '');
  writeFileSync(join(tree, 'd/log'), '');
  execFileSync('chattr', ['+a', join(tree, 'd/log')]);
  execFileSync('chattr', ['+i', join(tree, 'd/e/f'), join(tree, 'd/e'), join(tree, 'd'), tree]);
  await remove();
});

test('a mount in it is left alone, and said to be there', async () => {
  const kept = join(scratch.path, 'kept/inside');
  mkdirSync(join(tree, 'mnt'));
  execFileSync('mount', ['--bind', kept, join(tree, 'mnt')]);
  writeFileSync(join(kept, 'file'), '');
  try {
    const error = await rejection(removeTree(parent, 'tree'));
    expect(error).toMatchObject({ code: 'ERR_KERNEL', errno: 'EBUSY', subject: 'mnt' });
    expect(readdirSync(kept)).toEqual(['file']);
  } finally {
    execFileSync('umount', [join(tree, 'mnt')]);
  }
  await remove();
});

test.each(['', '.', '..', 'tree/x', '/etc', '../x'])('refused: %j', async (name) => {
  expect(await rejection(removeTree(parent, name))).toMatchObject({ code: 'ERR_KERNEL', errno: 'EINVAL' });
  await remove();
});

test('a descriptor that is none', async () => {
  expect(await rejection(removeTree(99_999, 'tree'))).toMatchObject({ code: 'ERR_KERNEL', errno: 'EBADF' });
  await remove();
});

test('a tree that others remove, too', async () => {
  for (let round = 0; round < 300; round++) {
    mkdirSync(join(tree, 'a/b'), { recursive: true });
    for (let i = 0; i < round % 7; i++) writeFileSync(join(tree, 'a', `f${i}`), '');
    await Promise.all([1, 2, 3, 4].map(() => removeTree(parent, 'tree')));
    expect(existsSync(tree)).toBe(false);
  }
});
