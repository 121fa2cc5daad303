import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Canary } from '../../../support/canary.js';
import { archive, base256, directory, entry, file, hardLink, pax, symlink } from '../../../support/tar.js';

let canary: Canary;
beforeAll(() => void (canary = new Canary('attributes')));
afterAll(() => canary[Symbol.dispose]());

const xattr = (name: string, value: string | Uint8Array): Buffer => pax([[`SCHILY.xattr.${name}`, value]]);
/** Version 2, cap_net_raw permitted and effective: capabilities(7), "File capabilities". */
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');

describe('extended attributes that a layer may not bring', () => {
  test.each([
    'trusted.overlay.redirect',
    'trusted.overlay.opaque',
    'trusted.overlay.metacopy',
    'trusted.overlay.overlay.opaque',
    'user.overlay.opaque',
    'user.overlay.redirect',
    'security.selinux',
    'security.ima',
    'security.evm',
    'system.nfs4_acl',
    'name-without-a-namespace',
  ])('%s is dropped', async (name) => {
    const { droppedAttributes } = await canary.unpack(
      archive(xattr(name, '/etc'), directory('d'), xattr(name, '/etc'), file('f'), xattr(name, 'y'), symlink('l', 'd')),
    );
    expect(droppedAttributes).toBe(3);
    expect(Object.values(canary.tree()).join('\n')).not.toContain('=0x');
  });

  test('however it is written', async () => {
    const encoded = [
      ['LIBARCHIVE.xattr.trusted.overlay.opaque', 'eQ=='],
      ['LIBARCHIVE.xattr.trusted%2Eoverlay%2eredirect', 'L2V0Yw'],
    ] as const;
    expect(await canary.unpack(archive(pax(encoded), directory('d')))).toMatchObject({ droppedAttributes: 2 });
    expect(canary.tree()['d']).not.toContain('=0x');
  });

  test('of users, where only files and directories have them', async () => {
    const parts = [symlink('l', 'x'), entry({ path: 'p', type: '6' }), entry({ path: 'c', type: '3', devMajor: 1 })];
    const result = await canary.unpack(archive(...parts.flatMap((part) => [xattr('user.a', 'b'), part])));
    expect(result.droppedAttributes).toBe(3);
  });
});

describe('extended attributes', () => {
  test('capabilities survive a change of owner and the writing of data', async () => {
    const program = file('program', Buffer.alloc(3_000_000, 1), { uid: 1, gid: 2, mode: 0o6755 });
    await canary.unpack(archive(xattr('security.capability', CAPABILITY), program));
    expect(canary.tree()['program']).toMatch(/^file 6755 1:2 .* security\.capability=0x0100000200200000/);
  });

  test('bytes, nothing at all, and 40 KiB', async () => {
    const parts = [
      ['user.bytes', Buffer.from([0, 10, 0x3d, 255])],
      ['user.nothing', ''],
    ] as const;
    const records = parts.map(([name, value]) => [`SCHILY.xattr.${name}`, value] as const);
    await canary.unpack(archive(pax(records), file('f'), xattr('trusted.large', Buffer.alloc(40_000, 7)), file('g')));
    const tree = canary.tree();
    expect(tree['f']).toMatch(/user\.bytes=0x000a3dff user\.nothing(=0x)?$/);
    expect(tree['g']).toContain(`trusted.large=0x${'07'.repeat(40_000)}`);
  });

  test('in bsdtar’s form, which has to give way', async () => {
    const both = pax([
      ['SCHILY.xattr.user.both', 'plain'],
      ['LIBARCHIVE.xattr.user.both', 'ZW5jb2RlZA=='],
      ['LIBARCHIVE.xattr.user.a%20b%25', 'AAr/'],
    ]);
    await canary.unpack(archive(both, file('f')));
    expect(canary.tree()['f']).toMatch(/user\.a b%=0x000aff user\.both=0x706c61696e$/);
  });

  test.each([
    ['garbage as capabilities', archive(xattr('security.capability', 'garbage'), file('f')), /takes no such attribute/],
    [
      'garbage as capabilities of a link',
      archive(xattr('security.capability', 'garbage'), symlink('l', 'x')),
      /no such attr/,
    ],
    ['garbage as an access list', archive(xattr('system.posix_acl_access', 'x'), file('f')), /no such attribute/],
    ['a name of 256 bytes', archive(xattr(`user.${'n'.repeat(256)}`, 'x'), file('f')), /takes no such attribute/],
    ['no name', archive(xattr('', 'x'), file('f')), /an extended attribute without a name/],
    ['more than the kernel takes', archive(xattr('trusted.x', Buffer.alloc(70_000)), file('f')), /no such attribute/],
    [
      'too many',
      archive(pax(Array.from({ length: 1025 }, (_, i) => [`SCHILY.xattr.user.${i}`, ''] as const)), file('f')),
      /more than 1024 extended attributes/,
    ],
    ['base64 that is none', archive(pax([['LIBARCHIVE.xattr.user.a', '???']]), file('f')), /does not decode/],
    ['a NUL by percent', archive(pax([['LIBARCHIVE.xattr.user.a%00b', 'eQ==']]), file('f')), /does not decode/],
    ['half a percent', archive(pax([['LIBARCHIVE.xattr.user.a%2', 'eQ==']]), file('f')), /does not decode/],
  ])('refused: %s', async (_, bad, reason) => {
    expect(await canary.refusal(bad)).toMatch(reason);
  });
});

describe('owners and modes', () => {
  test('up to the last id there is', async () => {
    const ids = pax([
      ['uid', '4294967294'],
      ['gid', '2097152'],
    ]);
    const binary = { format: 'gnu', uid: base256(4294967294n, 8), gid: base256(4_000_000_000n, 8) } as const;
    await canary.unpack(
      archive(ids, file('a'), file('b', '', binary), directory('c', binary), symlink('l', 'x', binary)),
    );
    const tree = canary.tree();
    expect(tree['a']).toContain('4294967294:2097152');
    for (const path of ['b', 'c', 'l']) expect(tree[path]).toContain('4294967294:4000000000');
  });

  test.each([
    ['the id that means none', archive(pax([['uid', '4294967295']]), file('f')), /an owner beyond 4294967294/],
    ['beyond', archive(pax([['gid', '4294967296']]), file('f')), /an owner beyond 4294967294/],
    ['of a directory', archive(pax([['gid', '4294967296']]), directory('f')), /an owner beyond 4294967294/],
    ['of a link', archive(pax([['gid', '9999999999']]), symlink('f', 'x')), /an owner beyond 4294967294/],
    ['negative', archive(file('f', '', { format: 'gnu', uid: base256(-1n, 8) })), /a negative owner/],
    ['negative in words', archive(pax([['gid', '-2']]), file('f')), /a negative owner/],
    ['no number', archive(pax([['uid', 'root']]), file('f')), /a number in the extended header is none/],
    ['a device beyond', archive(entry({ path: 'd', type: '3', devMajor: 0o10000 })), /that Linux does not have/],
    ['a minor beyond', archive(entry({ path: 'd', type: '4', devMinor: 0o4000000 })), /that Linux does not have/],
    ['a negative device', archive(entry({ path: 'd', type: '4', devMinor: base256(-1n, 8) })), /device number out/],
  ])('refused: %s', async (_, bad, reason) => {
    expect(await canary.refusal(bad)).toMatch(reason);
  });

  test('set-ID bits of whoever it belongs to; more bits than there are', async () => {
    const parts = [
      file('a', 'x', { mode: 0o4755 }),
      file('b', 'x', { mode: 0o6711, uid: 5, gid: 6 }),
      directory('d', { mode: 0o7777, uid: 5, gid: 6 }),
      file('d/inherits', 'x'),
      directory('d/d'),
      file('many', '', { mode: 0o177777 }),
      entry({ path: 'p', type: '6', mode: 0o4640, uid: 3 }),
    ];
    await canary.unpack(archive(...parts));
    const tree = canary.tree();
    expect(tree['a']).toContain('file 4755 0:0');
    expect(tree['b']).toContain('file 6711 5:6');
    expect(tree['d']).toContain('directory 7777 5:6');
    expect(tree['d/inherits']).toContain('file 644 0:0');
    expect(tree['d/d']).toContain('directory 755 0:0');
    expect(tree['many']).toContain('file 7777 0:0');
    expect(tree['p']).toContain('fifo 4640 3:0');
  });

  test('nothing is inherited from the directory it is unpacked into', async () => {
    const root = canary.renew();
    // u::rwx u:99:rwx g::r-x m::rwx o::---, for what is made inside: tag, permissions, id.
    const acl = '0x02000000' + '01000700ffffffff0200070063000000' + '04000500ffffffff10000700ffffffff20000000ffffffff';
    execFileSync('setfattr', ['-n', 'system.posix_acl_default', '-v', acl, root]);
    execFileSync('chmod', ['2777', root]);
    execFileSync('chown', ['0:42', root]);
    const parts = [file('f', 'x'), directory('d'), file('d/f', 'x'), file('i/f', 'x'), entry({ path: 'p', type: '6' })];
    await canary.again(archive(...parts, symlink('l', 'x'), hardLink('h', 'f')));
    const { '': rootText, ...tree } = canary.tree();
    expect(rootText).toContain('posix_acl_default');
    for (const text of Object.values(tree)) expect(text).not.toMatch(/posix_acl|:42/);
    expect(tree['f']).toContain('file 644 0:0');
    expect(tree['d/f']).toContain('file 644 0:0');
    expect(tree['i']).toContain('directory 755 0:0');
    expect(tree['p']).toContain('fifo 644 0:0');
  });

  test('the umask of the application does not matter, and stays its own', async () => {
    const before = process.umask(0o077);
    try {
      await canary.unpack(archive(file('f', '', { mode: 0o666 }), directory('d', { mode: 0o777 })));
      expect(process.umask(0o077)).toBe(0o077);
      mkdirSync(join(canary.layer, 'own'));
    } finally {
      process.umask(before);
    }
    const tree = canary.tree();
    expect(tree['f']).toContain('file 666');
    expect(tree['d']).toContain('directory 777');
    expect(tree['own']).toContain('directory 700');
  });
});

describe('times', () => {
  test.each([
    ['0.5', 500_000_000n],
    ['1.000000001', 1_000_000_001n],
    ['1.123456789999', 1_123_456_789n],
    ['-1', -1_000_000_000n],
    ['-0.25', -250_000_000n],
    ['-1.5', -1_500_000_000n],
    ['4102444800.999999999', 4_102_444_800_999_999_999n],
    ['7.', 7_000_000_000n],
  ])('%s', async (text, expected) => {
    const time = pax([['mtime', text]]);
    await canary.unpack(archive(time, file('f'), time, directory('d'), time, symlink('l', 'x')));
    const tree = canary.tree();
    for (const path of ['f', 'd', 'l']) expect(tree[path]).toMatch(new RegExp(`time ${expected}$`));
  });

  test('before 1970 in a header', async () => {
    await canary.unpack(archive(file('f', '', { format: 'gnu', mtime: base256(-86_400n, 12) })));
    expect(canary.tree()['f']).toContain('time -86400000000000');
  });

  test.each(['x', '1.x', '1.2.3', '--1', '+', '99999999999999999999', '.5', '-9223372036854775808.5'])(
    'refused: %s',
    async (text) => {
      expect(await canary.refusal(archive(pax([['mtime', text]]), file('f')))).toMatch(/a time in the extended header/);
    },
  );
});
