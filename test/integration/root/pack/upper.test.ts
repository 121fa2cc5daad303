import { closeSync, openSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { unpackTar } from '../../../../lib/native/layers.js';
import { packTree } from '../../../../lib/native/pack.js';
import { makeDirectory } from '../../../support/erofs.js';
import { command, readTree } from '../../../support/tree-facts.js';

let scratch: Awaited<ReturnType<typeof makeDirectory>>;
const at = (name: string): string => join(scratch.path, name);

beforeAll(async () => {
  scratch = await makeDirectory('upper');
});

afterAll(() => scratch[Symbol.asyncDispose]());

async function packUpper(source: string, target: string): Promise<string[]> {
  const [directory, output] = [openSync(source, 'r'), openSync(target, 'w')];
  try {
    await packTree(directory, output, { kind: 'upper' });
  } finally {
    [directory, output].forEach((fd) => closeSync(fd));
  }
  return (await command('tar', '-tf', target)).split('\n').filter((name) => name !== '');
}

/** Changes a copy of a lower directory through an overlay in a mount namespace of its own. */
const CHANGE = `
set -e
mkdir "$1/upper" "$1/work" "$1/merged"
mount -t overlay overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work,$2" "$1/merged"
cd "$1/merged"
echo new > made
echo changed >> changed
chmod 600 mode
rm gone
rm -r tree
rm -r again; mkdir again; echo fresh > again/fresh
ln changed deep/er/linked
rm deep/er/f
ln -s nowhere deep/link
touch -d 2001-02-03 deep
cp -a "$1/merged" "$1/wanted"
`;

test('a layer of exactly the changes', async () => {
  await command(
    'sh',
    '-c',
    `mkdir -p "$1/lower/tree/sub" "$1/lower/again" "$1/lower/deep/er"; cd "$1/lower"
     for f in changed mode gone kept tree/sub/f again/old deep/er/f deep/er/kept; do echo "$f" > "$f"; done`,
    'sh',
    scratch.path,
  );
  await command('unshare', '--mount', 'sh', '-c', CHANGE, 'sh', scratch.path, 'redirect_dir=off,metacopy=off');
  expect(await packUpper(at('upper'), at('layer.tar'))).toEqual([
    'again/',
    'again/.wh..wh..opq',
    'again/fresh',
    'changed',
    'deep/',
    'deep/er/',
    'deep/er/.wh.f',
    'deep/er/linked',
    'deep/link',
    '.wh.gone',
    'made',
    'mode',
    '.wh.tree',
  ]);

  // On top of what was below, it is what the overlay showed.
  await command('cp', '-a', at('lower'), at('applied'));
  const [input, target] = [openSync(at('layer.tar'), 'r'), openSync(at('applied'), 'r')];
  await unpackTar(input, target, { whiteouts: 'apply' }).finally(() => [input, target].forEach((fd) => closeSync(fd)));
  const { '': _applied, ...applied } = await readTree(at('applied'));
  const { '': _wanted, ...wanted } = await readTree(at('wanted'));
  expect(applied).toEqual(wanted);
});

test("overlayfs's own attributes and whiteouts in the form of attributes", async () => {
  await mkdir(at('marks/sub'), { recursive: true });
  for (const name of ['sub/hidden', 'sub/origin', 'sub/user']) writeFileSync(at(`marks/${name}`), '');
  const set = (path: string, name: string, value: string): Promise<string> =>
    command('setfattr', '-n', name, '-v', value, at(`marks/${path}`));
  await set('sub', 'trusted.overlay.opaque', 'x');
  await set('sub/hidden', 'trusted.overlay.whiteout', 'y');
  await set('sub/origin', 'trusted.overlay.origin', 'z');
  // Anybody inside can set this one: it means nothing where the overlay does not use it.
  await set('sub/user', 'user.overlay.whiteout', 'y');
  expect(await packUpper(at('marks'), at('marks.tar'))).toEqual(['sub/', 'sub/.wh.hidden', 'sub/origin', 'sub/user']);
  expect(await command('grep', '--count', '--text', 'overlay', at('marks.tar')).catch(() => 'none')).toBe('none');
});

test('a file that is not whole without the layers below is an error', async () => {
  for (const mark of ['metacopy', 'redirect']) {
    await mkdir(at(`not-whole-${mark}/d`), { recursive: true });
    await command('setfattr', '-n', `trusted.overlay.${mark}`, '-v', 'x', at(`not-whole-${mark}/d`));
    await expect(packUpper(at(`not-whole-${mark}`), at('not-whole.tar'))).rejects.toMatchObject({
      code: 'ERR_KERNEL',
      errno: 'EOPNOTSUPP',
      subject: expect.stringContaining(mark) as string,
      hint: expect.stringContaining('metacopy=off') as string,
    });
  }
});
