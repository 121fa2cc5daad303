import { base256, directory, entry, file, gnuLong, hardLink, pax, symlink } from './tar.js';

/** One of each thing that a reader of layers has to take apart. */
export function sampleParts(): Buffer[] {
  const sparse = (block: Buffer): void => {
    [
      [0, 2],
      [100, 3],
    ].forEach(([offset, length], i) =>
      Buffer.concat([base256(BigInt(offset!), 12), base256(BigInt(length!), 12)]).copy(block, 386 + 24 * i),
    );
    base256(200n, 12).copy(block, 483);
  };
  const attributes = pax([
    ['SCHILY.xattr.user.a', Buffer.from([1, 0, 10])],
    ['LIBARCHIVE.xattr.user.b%41', 'AAEC'],
    ['mtime', '-1.5'],
    ['uid', '100000'],
    ['path', 'd/long'],
  ]);
  const lines = Buffer.concat([Buffer.from('1\n7\n3\n'), Buffer.alloc(506), Buffer.from('xyz')]);
  return [
    directory('d/', { mode: 0o1777 }),
    attributes,
    file('short', 'contents'),
    gnuLong('L', `d/${'n'.repeat(120)}`),
    gnuLong('K', 't'.repeat(120)),
    symlink('s', ''),
    hardLink('d/h', 'd/long'),
    entry({ path: 'c', type: '3', devMajor: 1, devMinor: 3 }),
    entry({ path: 'sparse', type: '0', format: 'gnu' }, ''),
    entry({ path: 'old', type: 'S', format: 'gnu', edit: sparse }, 'abcde'),
    pax([
      ['GNU.sparse.major', '1'],
      ['GNU.sparse.minor', '0'],
      ['GNU.sparse.name', 'new'],
      ['GNU.sparse.realsize', '50'],
    ]),
    file('GNUSparseFile/new', lines),
    file('.wh.gone'),
    file('d/.wh..wh..opq'),
    file('large', Buffer.alloc(2000, 'large')),
  ];
}
