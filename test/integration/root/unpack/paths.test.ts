import { existsSync, lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Canary } from '../../../support/canary.js';
import { archive, directory, entry, file, gnuLong, hardLink, pax, symlink } from '../../../support/tar.js';

let canary: Canary;
beforeAll(() => void (canary = new Canary('paths')));
afterAll(() => canary[Symbol.dispose]());

const inside = (path: string): string => readFileSync(join(canary.layer, path), 'utf8');

describe('paths that climb', () => {
  test.each(['../x', './../x', 'a/../../x', 'a/b/../../../x', '..', 'a/../..', '../outside/secret', '../layer-1/x'])(
    'refused: %s',
    async (path) => {
      expect(await canary.refusal(archive(file(path, 'evil')))).toContain(`"${path}": its path leads out of the layer`);
    },
  );

  test.each([
    ['a/../x', 'x'],
    ['/x', 'x'],
    ['///x', 'x'],
    ['/../../x', 'x'],
    ['./././x', 'x'],
    ['a/./b/../x', 'a/x'],
    ['..x/...', '..x/...'],
  ])('inside: %s', async (path, where) => {
    await canary.unpack(archive(file(path, 'data')));
    expect(inside(where)).toBe('data');
  });

  test('the layer itself', async () => {
    const names = ['./', '/', 'a/..', ''];
    for (const name of names) {
      const result = await canary.unpack(archive(directory(name, { mode: 0o711, uid: 5, gid: 6, mtime: 1234 })));
      expect(result.hasRoot).toBe(true);
      expect(canary.tree()['']).toBe('directory 711 5:6 time 1234000000000');
      for (const type of ['0', '1', '2', '3', '6']) {
        expect(await canary.refusal(archive(entry({ path: name, type, link: 'x' })))).toMatch(/own directory/);
      }
    }
  });
});

describe('links on the way', () => {
  test('an absolute one is one of the layer', async () => {
    await canary.unpack(
      archive(symlink('link', canary.outside), file('link/secret', 'evil'), file('link/new', 'evil')),
    );
    expect(inside(`${canary.outside}/secret`)).toBe('evil');
    expect(readlinkSync(join(canary.layer, 'link'))).toBe(canary.outside);
  });

  test('a relative one stops at the layer', async () => {
    const climb = '../../../../../../outside';
    await canary.unpack(archive(symlink('a/b/link', climb), file('a/b/link/secret', 'evil')));
    expect(inside('outside/secret')).toBe('evil');
  });

  test('one leads to the next', async () => {
    const parts = [symlink('a', 'b'), symlink('b', 'c/d'), symlink('c', '/'), symlink('d', `..${canary.outside}`)];
    await canary.unpack(archive(...parts, file('a/secret', 'evil')));
    expect(inside(`${canary.outside}/secret`)).toBe('evil');
  });

  test.each(['/proc/self/root', '/proc/self/cwd', '/proc/self/fd/3', '/proc/1/root', '/dev/fd/4'])(
    'magic is none in a layer: %s',
    async (target) => {
      await canary.unpack(archive(symlink('link', target), file('link/secret', 'evil')));
      expect(inside(`${target}/secret`)).toBe('evil');
    },
  );

  test('a directory becomes a link', async () => {
    await canary.unpack(
      archive(
        directory('d'),
        file('d/before', '1'),
        symlink('d', canary.outside),
        file('d/secret', '2'),
        hardLink('d/hard', 'd/secret'),
        symlink('d/link', '/'),
        directory('d/directory', { mode: 0 }),
        entry({ path: 'd/fifo', type: '6' }),
      ),
    );
    expect(readlinkSync(join(canary.layer, 'd'))).toBe(canary.outside);
    expect(inside(`${canary.outside}/secret`)).toBe('2');
    expect(existsSync(join(canary.layer, canary.outside, 'before'))).toBe(false);
  });

  test('what describes a link does not describe its target', async () => {
    const parts = [
      symlink('l', canary.outside, { uid: 7, gid: 8, mtime: 99 }),
      symlink('f', `${canary.outside}/secret`),
    ];
    await canary.unpack(archive(...parts, file('f', 'evil', { mode: 0o777 }), directory('l', { mode: 0o777, uid: 3 })));
    expect(inside('f')).toBe('evil');
    expect(lstatSync(join(canary.layer, 'l')).isDirectory()).toBe(true);
  });

  test('circles, and too many', async () => {
    const circle = archive(symlink('a', 'b'), symlink('b', 'a'), file('a/x'));
    expect(await canary.refusal(circle)).toMatch(/"a\/x": its path leads through more than 40 links/);
    const chain = Array.from({ length: 41 }, (_, i) => symlink(`l${i}`, i === 40 ? '/' : `l${i + 1}`));
    expect(await canary.refusal(archive(...chain, file('l0/x')))).toMatch(/more than 40 links/);
    await canary.unpack(archive(...chain, file('l1/x', 'ok')));
    expect(inside('x')).toBe('ok');
    const long = archive(
      gnuLong('K', 'x/../'.repeat(800)),
      symlink('a', ''),
      gnuLong('K', 'a/../'.repeat(800)),
      symlink('b', ''),
      file('b/x'),
    );
    expect(await canary.refusal(long)).toMatch(/more than/);
  });

  test('to nothing: what is missing is made, inside', async () => {
    await canary.unpack(archive(symlink('a', '../gone/deep'), file('a/x', 'ok')));
    expect(inside('gone/deep/x')).toBe('ok');
  });
});

describe('names', () => {
  test.each([
    ['a newline', 'a\nb'],
    ['control characters', '\u0001\u001b[31m\u007f'],
    ['a backslash and quotes', 'a\\b"c\''],
    ['255 bytes', 'n'.repeat(255)],
    ['a dash', '-rf'],
    ['spaces', ' '],
    ['what looks like another file', 'x\u202etxt'],
  ])('%s', async (_, name) => {
    await canary.unpack(archive(pax([['path', `d/${name}`]]), file('x', 'ok')));
    expect(inside(`d/${name}`)).toBe('ok');
  });

  test('what is no UTF-8 stays as it is', async () => {
    const name = Buffer.from([0xff, 0xfe, 0x80, 0x41]);
    await canary.unpack(archive(file(name, 'ok'), symlink('l', name)));
    expect(Object.keys(canary.tree())).toContain(name.toString('latin1'));
    expect(readlinkSync(join(canary.layer, 'l'), 'buffer')).toEqual(name);
  });

  const byPax = (path: string): Buffer => archive(pax([['path', path]]), file('x', 'ok'));
  test.each([
    ['a name of 256 bytes', byPax('n'.repeat(256)), /a name of more than 255 bytes/],
    ['a directory of 256 bytes', byPax(`${'n'.repeat(256)}/x`), /a name of more than 255 bytes/],
    [
      'a link that leads through one',
      archive(gnuLong('K', 'n'.repeat(256)), symlink('l', ''), file('l/x')),
      /more than 255 bytes/,
    ],
    ['a path of 4097 bytes', byPax('d/'.repeat(2048) + 'x'), /a path of more than 4096 bytes/],
    ['10,000 directories', byPax('d/'.repeat(10_000) + 'x'), /a path of more than 4096 bytes/],
    ['1,025 directories', byPax('d/'.repeat(1025) + 'x'), /more than 1024 directories deep/],
    ['a path of 65 KiB', archive(gnuLong('L', 'd/'.repeat(33_000)), file('x')), /a path of more than 64 KiB/],
    ['a NUL', byPax('a\0b'), /a name in the extended header holds a NUL/],
    ['a link to 4096 bytes', archive(gnuLong('K', 't'.repeat(4096)), symlink('l', '')), /more than 4095 bytes/],
    ['a link to nothing', archive(symlink('l', '')), /a symbolic link to nothing/],
  ])('refused: %s', async (_, bad, reason) => {
    expect(await canary.refusal(bad)).toMatch(reason);
  });

  test('deeper by a link than any path says', async () => {
    const deep = 'd/'.repeat(1000);
    const parts = [pax([['path', deep]]), directory(''), pax([['linkpath', deep]]), symlink('l', '')];
    await canary.unpack(archive(...parts, file(`l/${'d/'.repeat(24)}x`)));
    await canary.remove();
    const deeper = archive(...parts, file(`l/${'d/'.repeat(25)}x`));
    expect(await canary.refusal(deeper)).toMatch(/more than 1024 directories deep/);
  });
});
