import { execFileSync } from 'node:child_process';
import { closeSync } from 'node:fs';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Host, Image, Sandbox } from '../../../../lib/index.js';
import { startRegistry, type TestRegistry } from '../../../support/registry.js';
import { skopeo } from '../../../support/skopeo.js';
import { command, readMount, readOverlay, readTree, type Tree } from '../../../support/tree-facts.js';

/** A real distribution, from the archive that mmdebstrap(1) makes to the image that others pull. Not in memory: EROFS is not mounted from there. */
let scratch: string;
let registry: TestRegistry;
let name: string;
/** What umoci makes of the image. */
let expected: Tree;
const at = (path: string): string => join(scratch, path);
const umoci = (...args: string[]): Promise<string> => command('umoci', ...args);
const local = (reference: string): string => `docker://${registry.host}/${reference}`;

beforeAll(async () => {
  scratch = await mkdtemp('/var/tmp/cloister-debian-');
  registry = await startRegistry();
  name = `${registry.host}/debian:12`;
  await command('mmdebstrap', '--quiet', '--variant=minbase', 'bookworm', at('root.tar'));
  await umoci('init', '--layout', at('oci'));
  await umoci('new', '--image', at('oci:12'));
  await umoci('raw', 'add-layer', '--image', at('oci:12'), at('root.tar'));
  await umoci('unpack', '--image', at('oci:12'), at('bundle'));
  await writeFile(at('bundle/rootfs/etc/motd'), 'a file of the second layer\n');
  await rm(at('bundle/rootfs/usr/share/doc'), { recursive: true });
  // A layer that changes something below a directory and does not describe it leaves open what it is; umoci describes what changed.
  for (const path of ['etc', 'usr']) await utimes(at(`bundle/rootfs/${path}`), 1e9, 1e9);
  await umoci('repack', '--image', at('oci:12'), at('bundle'));
  await umoci('config', '--image', at('oci:12'), '--config.env', 'LANG=C.UTF-8', '--config.cmd', 'bash');
  await skopeo('copy', '--dest-tls-verify=false', `oci:${at('oci')}:12`, local('debian:12'));
  await umoci('raw', 'unpack', '--image', at('oci:12'), at('umoci'));
  expected = await filesIn(at('umoci'));
}, 300_000);

afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  await rm(scratch, { recursive: true, force: true });
});

function openHost(label: string, storage: 'overlay' | 'erofs' | 'copy'): Host {
  const place = { root: at(label), stateDir: at(`${label}-state`) };
  return new Host({ ...place, storage, registries: { useCredentialFiles: false } });
}

/** All but the root itself, which a layer need not describe. */
const below = ({ '': _root, ...tree }: Tree): Tree => tree;
const filesIn = async (path: string): Promise<Tree> => below(await readTree(path));

/** Every file of an image, as its sandboxes find it. */
async function treeOf(image: Image, host: Host): Promise<Tree> {
  const { layers } = await image.inspect();
  return host.images.use('reading', undefined, async ({ context }) => {
    const diffIds = layers.map(({ diffId }) => diffId);
    const snapshot = await context.layers.prepare(diffIds, 'reading');
    const fds = snapshot.kind === 'layers' ? snapshot.trees : [snapshot.tree];
    try {
      if (snapshot.kind === 'tree') return below(await readMount(snapshot.tree));
      const place = await mkdtemp(at('mount-'));
      return below(await readOverlay(place, snapshot.trees));
    } finally {
      for (const fd of fds) closeSync(fd);
      await snapshot.remove?.();
    }
  });
}

test('podman unpacks what umoci does', async () => {
  const storage = ['--root', at('podman'), '--runroot', at('run'), '--storage-driver', 'overlay'];
  const podman = (...args: string[]): string =>
    execFileSync('podman', [...storage, '--cgroup-manager', 'cgroupfs', ...args], { encoding: 'utf8', stdio: 'pipe' });
  podman('pull', '--quiet', '--tls-verify=false', name);
  const theirs = await filesIn(podman('image', 'mount', name).trim());
  podman('image', 'unmount', name);
  podman('rmi', name);
  podman('system', 'reset', '--force');
  expect(theirs).toEqual(expected);
});

describe.each(['overlay', 'erofs', 'copy'] as const)('%s', (storage) => {
  let host: Host;
  let image: Image;
  beforeAll(async () => {
    host = openHost(storage, storage);
    image = await Image.pull(name, { host });
  });
  afterAll(() => host.close());
  test('the tree is what umoci and podman make of it', async () => {
    const tree = await treeOf(image, host);
    expect(Object.keys(tree).length).toBeGreaterThan(3000);
    expect(tree).toEqual(expected);
  });

  test('its programs run', async () => {
    await using box = await Sandbox.create({ image, host });
    const run = async (...argv: string[]): Promise<string> => {
      const { stdout, stderr, reason, exitCode } = await box.exec(argv);
      expect({ reason, exitCode, stderr }).toEqual({ reason: 'exit', exitCode: 0, stderr: '' });
      return stdout;
    };
    expect(await run('cat', '/etc/debian_version')).toMatch(/^12\./);
    expect((await run('dpkg-query', '-W', '-f', '${Package}\\n')).split('\n')).toContain('libc6');
    expect(await run('perl', '-e', 'print $ENV{LANG}, " ", -e "/usr/share/doc" ? "there" : "gone"')).toBe(
      'C.UTF-8 gone',
    );
    expect(await run('cat', '/etc/motd')).toBe('a file of the second layer\n');
    expect(await run('dpkg', '--verify', 'bash', 'coreutils', 'perl-base')).not.toMatch(/^..5/m);
  });

  if (storage === 'copy') return; // has a tree of its own, and no list of changes
  test('changed, committed, pushed, and the same for whoever pulls it', async () => {
    await using box = await Sandbox.create({ image, host, limits: { pids: 512 } });
    const sh = async (script: string): Promise<string> => {
      const { stdout, stderr, exitCode } = await box.exec(['sh', '-euc', script]);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
      return stdout;
    };
    await sh(`mkdir -p /tmp/p/DEBIAN /tmp/p/usr/bin
      printf 'Package: here\\nVersion: 1\\nArchitecture: all\\nMaintainer: me <me@localhost>\\nDescription: a test\\n' > /tmp/p/DEBIAN/control
      printf '#!/bin/sh\\necho installed\\n' > /tmp/p/usr/bin/here; chmod 755 /tmp/p/usr/bin/here
      dpkg-deb --root-owner-group --build /tmp/p /tmp/here.deb > /tmp/log; dpkg -i /tmp/here.deb >> /tmp/log; rm -r /tmp/p /tmp/here.deb /tmp/log
      useradd --create-home somebody; rm -r /usr/share/man; ln /etc/motd /root/motd`);
    const committed = await box.commit(`${registry.host}/changed-${storage}:1`);
    await committed.push();

    const elsewhere = openHost(`${storage}-elsewhere`, storage);
    try {
      const pulled = await Image.pull(committed.reference, { host: elsewhere });
      expect(pulled.digest).toBe(committed.digest);
      const script =
        'here; id -un 1000; dpkg-query -W -f "\\${Status}" here; ls /usr/share/man 2>&1 || stat -c %h /etc/motd';
      const { stdout } = await Sandbox.run(['sh', '-c', script], { image: pulled, host: elsewhere });
      expect(stdout).toMatch(/^installed\nsomebody\ninstall ok installed.*No such file.*\n2\n$/s);
      await skopeo('copy', '--src-tls-verify=false', local(`changed-${storage}:1`), `oci:${at(storage)}-oci:1`);
      await umoci('raw', 'unpack', '--image', `${at(storage)}-oci:1`, at(`${storage}-umoci`));
      expect(await treeOf(pulled, elsewhere)).toEqual(await filesIn(at(`${storage}-umoci`)));
    } finally {
      await elsewhere.close();
    }
  });
});
