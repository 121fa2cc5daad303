import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { link, mkdir, mkdtemp, open, rename, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { unpackTar } from '../../../../lib/native/layers.js';
import { packTree, type Packed, type PackOptions } from '../../../../lib/native/pack.js';
import { makeDirectory, withMounted } from '../../../support/erofs.js';
import { command, readMount, readTree, type Tree } from '../../../support/tree-facts.js';

let scratch: Awaited<ReturnType<typeof makeDirectory>>;
let odd: string;
let oddTree: Tree;
let archive: string;

async function pack(source: string, target: string, options: PackOptions = {}): Promise<Packed> {
  const directory = openSync(source, 'r');
  try {
    await using output = await open(target, 'w');
    return await packTree(directory, output.fd, options);
  } finally {
    closeSync(directory);
  }
}

const newDirectory = (topic: string): Promise<string> => mkdtemp(join(scratch.path, `${topic}-`));

beforeAll(async () => {
  scratch = await makeDirectory('pack');
  odd = join(scratch.path, 'odd');
  await mkdir(odd);
  await command('python3', 'test/support/odd-tree.py', odd);
  oddTree = await readTree(odd);
  archive = join(scratch.path, 'odd.tar');
  expect(await pack(odd, archive)).toMatchObject({ entries: Object.keys(oddTree).length, skipped: 0 });
});

afterAll(() => scratch[Symbol.asyncDispose]());

describe('a packed tree is read as what it was by', () => {
  test('our own unpacker', async () => {
    const target = await newDirectory('own');
    const [input, directory] = [openSync(archive, 'r'), openSync(target, 'r')];
    await unpackTar(input, directory).finally(() => [input, directory].forEach((fd) => closeSync(fd)));
    expect(await readTree(target)).toEqual(oddTree);
  });

  test('an index of it', async () => {
    await withMounted(archive, async (mount) => expect(await readMount(mount)).toEqual(oddTree));
  });

  test('GNU tar', async () => {
    const target = await newDirectory('gnu');
    const options = ['--numeric-owner', '--xattrs', '--xattrs-include=*', '--delay-directory-restore'];
    await command('tar', '-C', target, ...options, '-xpf', archive);
    expect(await readTree(target)).toEqual(oddTree);
  });

  test('umoci', async () => {
    const [layout, target] = [await newDirectory('layout'), join(scratch.path, 'umoci')];
    writeLayout(layout, readFileSync(archive));
    await command('umoci', 'raw', 'unpack', '--image', `${layout}:latest`, target);
    // The root is umoci's own; an empty value takes a record back in PAX, for Go also where it is an attribute's.
    const { '': _root, ...unpacked } = await readTree(target);
    const { '': _ours, ...expected } = oddTree;
    expect(withoutEmpty(unpacked)).toEqual(withoutEmpty(expected));
  });
});

function withoutEmpty(tree: Tree): Tree {
  const keep = (xattrs: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(Object.entries(xattrs).filter(([, value]) => value !== ''));
  return Object.fromEntries(
    Object.entries(tree).map(([path, { xattrs, ...facts }]) => [
      path,
      xattrs === undefined ? facts : { ...facts, xattrs: keep(xattrs) },
    ]),
  );
}

/** An OCI image layout of one uncompressed layer. */
function writeLayout(directory: string, layer: Uint8Array): void {
  execFileSync('mkdir', ['-p', join(directory, 'blobs/sha256')]);
  const put = (
    mediaType: string,
    content: Uint8Array | string,
  ): { digest: string; size: number; mediaType: string } => {
    const hash = createHash('sha256').update(content).digest('hex');
    writeFileSync(join(directory, 'blobs/sha256', hash), content);
    return { mediaType, digest: `sha256:${hash}`, size: Buffer.byteLength(content) };
  };
  const layers = [put('application/vnd.oci.image.layer.v1.tar', layer)];
  const rootfs = { type: 'layers', diff_ids: layers.map(({ digest }) => digest) };
  const configuration = JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs });
  const config = put('application/vnd.oci.image.config.v1+json', configuration);
  const manifest = put(
    'application/vnd.oci.image.manifest.v1+json',
    JSON.stringify({ schemaVersion: 2, config, layers }),
  );
  const annotations = { 'org.opencontainers.image.ref.name': 'latest' };
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(directory, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
}

test('the same tree makes the same bytes, and they name nobody', async () => {
  const again = join(scratch.path, 'again.tar');
  await pack(odd, again);
  expect(Buffer.compare(readFileSync(archive), readFileSync(again))).toBe(0);
  expect((await command('tar', '--numeric-owner', '-tf', archive, '--quoting-style=escape')).split('\n')[0]).toBe('./');
  expect(readFileSync(archive).subarray(265, 329)).toEqual(Buffer.alloc(64));
});

describe('what a sandbox can leave behind', () => {
  test('ids become those of the inside, in owners, access lists and capabilities', async () => {
    const source = await newDirectory('ids');
    const target = join(scratch.path, 'ids.tar');
    const script = `import os, struct, sys
os.chdir(sys.argv[1]); ANY = 0xFFFFFFFF
for name in ['f', 'acl', 'caps']: open(name, 'w').close(); os.chown(name, 501000, 501001)
os.chown('.', 500000, 500000)
entries = [(1, 6, ANY), (2, 4, 501234), (4, 4, ANY), (8, 4, 500007), (16, 6, ANY), (32, 0, ANY)]
os.setxattr('acl', 'system.posix_acl_access', struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in entries))
os.setxattr('caps', 'security.capability', struct.pack('<6I', 0x03000001, 1 << 13, 0, 0, 0, 500000))`;
    await command('python3', '-c', script, source);
    const map = [{ inside: 0, outside: 500_000, count: 65_536 }];
    await pack(source, target, { uids: map, gids: map });
    await withMounted(target, async (mount) => {
      const tree = await readMount(mount);
      expect(tree['']).toMatchObject({ uid: 0, gid: 0 });
      expect(tree['f']).toMatchObject({ uid: 1000, gid: 1001 });
      const acl = Buffer.from(tree['acl']?.xattrs?.['system.posix_acl_access'] ?? '', 'hex');
      expect([acl.readUInt32LE(16), acl.readUInt32LE(32)]).toEqual([1234, 7]);
      // Version 2, effective, CAP_NET_RAW.
      expect(tree['caps']?.xattrs?.['security.capability']).toBe('0100000200200000000000000000000000000000');
    });
    await expect(pack(source, target, { uids: [{ inside: 0, outside: 501_000, count: 10 }] })).rejects.toMatchObject({
      code: 'ERR_KERNEL',
      errno: 'EOVERFLOW',
    });
  });

  test('links are packed as links, wherever they lead', async () => {
    const source = await newDirectory('links');
    await symlink('/etc', join(source, 'etc'));
    await symlink('/etc/shadow', join(source, 'shadow'));
    await pack(source, join(scratch.path, 'links.tar'));
    const list = await command('tar', '-tf', join(scratch.path, 'links.tar'));
    expect(list.split('\n')).toEqual(['./', 'etc', 'shadow', '']);
  });

  test('nothing outside is packed while links and directories change places', async () => {
    const source = await newDirectory('race');
    await mkdir(join(source, 'real'));
    await writeFile(join(source, 'real/inside'), 'inside');
    await symlink('/etc', join(source, 'other'));
    const swapper = { isWanted: true };
    const swapping = (async () => {
      while (swapper.isWanted) {
        await rename(join(source, 'real'), join(source, 'x'));
        await rename(join(source, 'other'), join(source, 'real'));
        await rename(join(source, 'real'), join(source, 'other'));
        await rename(join(source, 'x'), join(source, 'real'));
      }
    })();
    for (let i = 0; i < 30; i++) {
      const target = join(scratch.path, 'race.tar');
      const failure = await pack(source, target).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure !== undefined) {
        expect(failure).toMatchObject({ errno: 'ESTALE' });
        continue;
      }
      const names = (await command('tar', '-tf', target)).split('\n');
      const known = [
        './',
        'real',
        'real/',
        'real/inside',
        'other',
        'other/',
        'other/inside',
        'x',
        'x/',
        'x/inside',
        '',
      ];
      expect(known).toEqual(expect.arrayContaining(names));
    }
    swapper.isWanted = false;
    await swapping;
  });

  test('sockets are left out', async () => {
    const source = await newDirectory('socket');
    const server = createServer().listen(join(source, 's'));
    await new Promise((resolve) => server.once('listening', resolve));
    const packed = await pack(source, join(scratch.path, 'socket.tar'));
    server.close();
    expect(packed).toMatchObject({ entries: 1, skipped: 1 });
  });

  test('a name or a device that would be a whiteout is an error', async () => {
    const source = await newDirectory('whiteout');
    await writeFile(join(source, '.wh.etc'), '');
    const refusal = { code: 'ERR_KERNEL', errno: 'EINVAL' };
    await expect(pack(source, join(scratch.path, 'w.tar'))).rejects.toMatchObject({
      ...refusal,
      subject: expect.stringContaining('.wh.etc') as string,
    });
    await rename(join(source, '.wh.etc'), join(source, 'etc'));
    await command('mknod', join(source, 'zero'), 'c', '0', '0');
    await expect(pack(source, join(scratch.path, 'w.tar'))).rejects.toMatchObject(refusal);
  });

  test('a file of nothing but a hole takes no room', async () => {
    const source = await newDirectory('hole');
    await command('truncate', '--size=1T', join(source, 'hole'));
    await link(join(source, 'hole'), join(source, 'link'));
    const target = join(scratch.path, 'hole.tar');
    expect((await pack(source, target)).bytes).toBeLessThan(10_000);
    expect(await command('tar', '-tvf', target)).toContain(String(2 ** 40));
  });

  test('a tree of 1,000 levels is packed, a deeper one is an error', async () => {
    const script = `import os, sys
os.chdir(sys.argv[1])
for _ in range(int(sys.argv[2])): os.mkdir('d'); os.chdir('d')`;
    const source = await newDirectory('deep');
    await command('python3', '-c', script, source, '1000');
    expect(await pack(source, join(scratch.path, 'deep.tar'))).toMatchObject({ entries: 1001 });
    await command('python3', '-c', script, `${source}${'/d'.repeat(1000)}`, '100');
    await expect(pack(source, join(scratch.path, 'deep.tar'))).rejects.toMatchObject({ errno: 'ELOOP' });
  });

  test('a file that grows is cut, the archive is whole, and the error names it', async () => {
    const source = await newDirectory('grow');
    await writeFile(join(source, 'log'), Buffer.alloc(8 << 20));
    const fifo = join(scratch.path, 'grow.fifo');
    await command('mkfifo', fifo);
    // It waits for the reader in the middle of the file, which is when the file grows.
    const reader = 'exec 3<"$1"; head -c 100000 <&3 >"$2"; echo more >>"$3"; cat "$2" - <&3 | tar -tvf -';
    const listing = command('sh', '-c', reader, 'sh', fifo, `${fifo}.part`, join(source, 'log'));
    await using output = await open(fifo, 'w');
    const directory = openSync(source, 'r');
    const packing = packTree(directory, output.fd).finally(() => closeSync(directory));
    await expect(packing).rejects.toMatchObject({
      errno: 'ESTALE',
      subject: expect.stringContaining('log') as string,
      hint: expect.stringContaining('pause') as string,
    });
    await output.close();
    expect(await listing).toContain(String(8 << 20));
  });
});
