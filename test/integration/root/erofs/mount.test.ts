import { closeSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { probeErofs } from '../../../../lib/native/erofs.js';
import { makeDirectory, makeIndex, mountIndex, withMounted } from '../../../support/erofs.js';
import { archive, directory, file, hardLink, pax, symlink } from '../../../support/tar.js';
import { readIdmapped, readMount, readOverlay, readResident } from '../../../support/tree-facts.js';

let scratch: Awaited<ReturnType<typeof makeDirectory>>;

beforeEach(async () => {
  scratch = await makeDirectory('erofs-mount');
  await mkdir(join(scratch.path, 'merged'));
});

afterEach(() => scratch[Symbol.asyncDispose]());

function layer(name: string, ...entries: readonly Uint8Array[]): string {
  const path = join(scratch.path, `${name}.tar`);
  writeFileSync(path, archive(...entries));
  return path;
}

describe('as a layer of an overlay', () => {
  const lower = [
    directory('kept'),
    file('kept/a', 'a'),
    file('kept/b', 'b'),
    directory('hidden'),
    file('hidden/old', 'old'),
    directory('replaced'),
    file('replaced/old', 'old'),
    file('gone', 'gone'),
  ];
  const upper = [
    file('kept/.wh.a'),
    file('.wh.gone'),
    directory('hidden'),
    file('hidden/.wh..wh..opq'),
    file('hidden/new', 'new'),
    file('.wh.replaced'),
    directory('replaced'),
    file('replaced/new', 'new'),
  ];

  test('whiteouts and opaque directories hide what is below', async () => {
    await withMounted(layer('lower', ...lower), async (below) => {
      await withMounted(layer('upper', ...upper), async (above) => {
        const merged = await readOverlay(join(scratch.path, 'merged'), [above, below]);
        expect(Object.keys(merged)).toEqual(
          ['', 'hidden', 'hidden/new', 'kept', 'kept/b', 'replaced', 'replaced/new'].sort(),
        );
      });
    });
  });

  test('attributes show through, those of overlayfs itself cannot be planted', async () => {
    const planted = pax([
      ['SCHILY.xattr.trusted.overlay.opaque', 'y'],
      ['SCHILY.xattr.trusted.overlay.redirect', '/kept'],
      ['SCHILY.xattr.user.mine', 'mine'],
    ]);
    await withMounted(layer('lower', ...lower), async (below) => {
      await withMounted(layer('upper', planted, directory('hidden')), async (above) => {
        const merged = await readOverlay(join(scratch.path, 'merged'), [above, below]);
        expect(Object.keys(merged)).toContain('hidden/old');
        expect(merged['hidden']?.xattrs).toEqual({ 'user.mine': Buffer.from('mine').toString('hex') });
      });
    });
  });
});

test('ids can be shifted', async () => {
  const path = layer('ids', file('root', '', { uid: 0, gid: 0 }), file('user', '', { uid: 1000, gid: 1001 }));
  await withMounted(path, async (mount) => {
    const { root, user } = await readIdmapped(mount, 500_000);
    expect([root?.uid, root?.gid, user?.uid, user?.gid]).toEqual([500_000, 500_000, 501_000, 501_001]);
  });
});

test('a hundred overlays of one mount share its page cache, another mount does not', async () => {
  const size = 4 << 20;
  const path = layer('large', file('large', Buffer.alloc(size, 'data')));
  await withMounted(path, async (mount) => {
    const shared = await readResident('large', Array<number>(100).fill(mount));
    expect(shared).toEqual(Array(100).fill(size));
    const other = await mountIndex(path);
    try {
      const [first, second] = await readResident('large', [mount, other]);
      expect(first).toBe(size);
      expect(second).toBe(0);
    } finally {
      closeSync(other);
    }
  });
});

test('it is read-only and has no devices', async () => {
  await withMounted(layer('ro', file('a', 'a')), async (mount) => {
    expect(() => writeFileSync(`/proc/self/fd/${mount}/a`, '')).toThrow('EROFS');
    expect(() => writeFileSync(`/proc/self/fd/${mount}/b`, '')).toThrow('EROFS');
  });
});

describe('before the kernel sees it, an index is refused that', () => {
  const entries = [directory('d'), file('d/f', 'contents'), symlink('s', 'd/f'), hardLink('h', 'd/f')];
  const refusal = { code: 'ERR_KERNEL', errno: 'EUCLEAN' };
  let path: string;

  beforeEach(async () => {
    path = layer('layer', ...entries);
    await makeIndex(path);
  });

  test('was cut off', async () => {
    const whole = readFileSync(`${path}.index`);
    for (const size of [0, 50, 1024, whole.length - 1]) {
      writeFileSync(`${path}.index`, whole.subarray(0, size));
      await expect(mountIndex(path)).rejects.toMatchObject(refusal);
    }
  });

  test('was changed in any byte that counts', async () => {
    const whole = readFileSync(`${path}.index`);
    for (let at = 0; at < whole.length; at += 37) {
      const changed = Buffer.from(whole);
      changed[at] = whole.readUInt8(at) ^ 0x40;
      writeFileSync(`${path}.index`, changed);
      await expect(mountIndex(path)).rejects.toMatchObject(refusal);
    }
  });

  test('is of another layer', async () => {
    writeFileSync(`${path}.index`, '');
    await makeIndex(path, { layer: `sha256:${'00'.repeat(32)}` });
    await expect(mountIndex(path)).rejects.toMatchObject({
      ...refusal,
      hint: expect.stringContaining('again') as string,
    });
  });

  test('is beside an archive of another size', async () => {
    writeFileSync(path, Buffer.alloc(512), { flag: 'a' });
    await expect(mountIndex(path)).rejects.toMatchObject(refusal);
  });
});

test('the probe leaves nothing and tells a memory file system apart', async () => {
  const before = statSync(scratch.path).nlink;
  await probeErofs(scratch.path);
  expect(statSync(scratch.path).nlink).toBe(before);
  expect(await probeErofs('/dev/shm')).toMatchObject({ reason: expect.stringContaining('fsconfig(2)') as string });
});

test('a mount outlives its files', async () => {
  await withMounted(layer('gone', file('a', 'still here')), async (mount) => {
    await scratch[Symbol.asyncDispose]();
    expect(readFileSync(`/proc/self/fd/${mount}/a`, 'utf8')).toBe('still here');
    expect(Object.keys(await readMount(mount))).toEqual(['', 'a']);
  });
});
