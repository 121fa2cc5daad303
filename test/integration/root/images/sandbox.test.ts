import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Host, Image, Sandbox, type SandboxOptions } from '../../../../lib/index.js';
import { importTestImage } from '../../../support/archives.js';
import { busyboxLayer } from '../../../support/busybox-image.js';
import { startRegistry, type TestRegistry } from '../../../support/registry.js';
import { rejection } from '../../../support/rejection.js';
import { skopeo } from '../../../support/skopeo.js';
import { archive, directory, symlink } from '../../../support/tar.js';
import { layerOf, testImage } from '../../../support/test-image.js';

const scratch = mkdtempSync('/var/tmp/cloister-image-sandbox-');
let registry: TestRegistry;
let image: string;

/** Two layers with busybox, as umoci makes them, pushed by skopeo. */
beforeAll(async () => {
  registry = await startRegistry();
  image = `${registry.host}/test/busybox:1`;
  const umoci = (...args: string[]): Buffer => execFileSync('umoci', args, { cwd: scratch, stdio: 'pipe' });
  umoci('init', '--layout', 'oci');
  umoci('new', '--image', 'oci:1');
  umoci('unpack', '--image', 'oci:1', 'bundle');
  const root = join(scratch, 'bundle/rootfs');
  for (const path of ['bin', 'etc', 'home/app', 'old']) mkdirSync(join(root, path), { recursive: true });
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const name of ['sh', 'cat', 'id', 'ls', 'pwd', 'echo', 'env', 'sleep'])
    symlinkSync('busybox', join(root, 'bin', name));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\napp:x:1234:1234::/home/app:/bin/sh\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\napp:x:1234:\n');
  writeFileSync(join(root, 'old/gone'), '');
  umoci('repack', '--image', 'oci:1', 'bundle');
  rmSync(join(scratch, 'bundle'), { recursive: true });
  umoci('unpack', '--image', 'oci:1', 'bundle');
  rmSync(join(root, 'old/gone'));
  writeFileSync(join(root, 'home/app/second'), 'second layer\n');
  umoci('repack', '--image', 'oci:1', 'bundle');
  umoci('config', '--image', 'oci:1', '--config.user', 'app', '--config.workingdir', '/home/app', '--config.env', 'A=from image',
    '--config.entrypoint', '/bin/sh', '--config.cmd', '-c', '--config.cmd', 'echo started by the image', '--config.volume', '/data'); // prettier-ignore
  await skopeo('copy', '--dest-tls-verify=false', `oci:${join(scratch, 'oci')}:1`, `docker://${image}`);
});

afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

describe.each(['overlay', 'erofs', 'copy'] as const)('%s', (storage) => {
  const root = join(scratch, `host-${storage}`);
  const host = new Host({ root, stateDir: join(scratch, 'state'), storage, registries: { useCredentialFiles: false } });
  afterAll(() => host.close());

  test('a reference is pulled, and runs as its configuration says', async () => {
    const script = 'pwd; id -u; echo $A; cat second; ls /old; ls -d /data; [ -w . ] || echo not mine';
    const result = await Sandbox.run(['sh', '-c', script], { image, host });
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    expect(result.stdout).toBe('/home/app\n1234\nfrom image\nsecond layer\n/data\nnot mine\n');
  });

  test('what the caller says goes before what the image says', async () => {
    const options = { image, host, user: 0, cwd: '/etc', env: { A: 'from caller' } };
    const { stdout } = await Sandbox.run(['sh', '-c', 'pwd; id -u; echo $A'], options);
    expect(stdout).toBe('/etc\n0\nfrom caller\n');
  });

  test('without a command the image starts its own', async () => {
    expect((await Sandbox.run([], { image, host })).stdout).toBe('started by the image\n');
  });

  test('no registry is asked for what is here', async () => {
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        Sandbox.run(['sh', '-c', `echo ${i} > /tmp-${i}; ls /`], { image, host, user: 0, pull: 'never' }),
      ),
    );
    results.forEach(({ stdout }, i) => {
      expect(stdout.match(/tmp-\d+/g)).toEqual([`tmp-${i}`]);
    });
  });

  test('a living sandbox of an image', async () => {
    await using box = await Sandbox.create({ image, host });
    expect((await box.exec(['cat', 'second'])).stdout).toBe('second layer\n');
  });

  test('an image that has a layer several times', async () => {
    const once = layerOf({ 'a/one': '1', 'a/two': '2' });
    const between = layerOf({ 'a/.wh.one': '', 'a/two': 'other', 'a/three': '3' });
    const empty = archive();
    const made = testImage([busyboxLayer(), once, between, once, empty, empty], { config: { Env: ['PATH=/bin'] } });
    const twice = await importTestImage(host, made, 'twice:1');
    await using box = await Sandbox.create({ image: twice, host });
    expect((await box.exec(['sh', '-c', 'cd /a; echo *; cat one two three; rm one'])).stdout).toBe(
      'one three two\n123',
    );
    await twice.save(join(scratch, `${storage}.tar`), { format: 'docker' });
    const [loaded] = await Image.load(join(scratch, `${storage}.tar`), { host });
    expect(loaded?.layers.map(({ diffId }) => diffId)).toEqual(made.diffIds);
    if (storage === 'copy') return;
    const committed = await box.commit('twice:2');
    const rest = await Sandbox.run(['sh', '-c', 'echo /a/*'], { image: committed, host });
    expect(rest.stdout).toBe('/a/three /a/two\n');
  });

  test('the root is for everybody, whatever the umask of the application is', async () => {
    const before = process.umask(0o077);
    try {
      const made = testImage([busyboxLayer(), layerOf({ umask: '' })], { config: { Env: ['PATH=/bin'] } });
      const masked = await importTestImage(host, made, 'umask:1');
      expect((await Sandbox.run(['stat', '-c', '%a', '/'], { image: masked, host })).stdout).toBe('755\n');
    } finally {
      process.umask(before);
    }
  });

  test('an image of very many layers', async () => {
    const layers = (count: number): Buffer[] => Array.from({ length: count }, (_, i) => layerOf({ top: `${i}` }));
    const config = { config: { Env: ['PATH=/bin'] } };
    const most = await importTestImage(host, testImage([busyboxLayer(), ...layers(127)], config), 'most:1');
    expect((await Sandbox.run(['cat', '/top'], { image: most, host })).stdout).toBe('126');
    const more = await importTestImage(host, testImage([busyboxLayer(), ...layers(128)], config), 'more:1');
    const run = Sandbox.run(['cat', '/top'], { image: more, host });
    if (storage === 'copy') expect((await run).stdout).toBe('127');
    else expect(await rejection(run)).toMatchObject({ code: 'ERR_UNSUPPORTED', subject: 'layers' });
  });

  test('by its digest alone, or by name and digest, it is what is here', async () => {
    const { digest, reference } = await Image.get(image, { host });
    for (const name of [digest, `${reference.replace(/:[^:/]*$/, '')}@${digest}`]) {
      const { stdout } = await Sandbox.run(['sh', '-c', 'echo started'], { image: name, host, pull: 'never' });
      expect(stdout).toBe('started\n');
    }
    const unknown = `sha256:${'0'.repeat(64)}`;
    expect((await rejection(Sandbox.run(['true'], { image: unknown, host }))).code).toBe('ERR_IMAGE_NOT_FOUND');
    expect((await rejection(Image.pull(unknown, { host }))).code).toBe('ERR_INVALID_REFERENCE');
  });

  test('a host that is closed holds nothing open', async () => {
    const open = (): number => readdirSync('/proc/self/fd').length;
    const once = async (): Promise<void> => {
      const other = new Host({
        root,
        stateDir: join(scratch, 'state'),
        storage,
        registries: { useCredentialFiles: false },
      });
      await Sandbox.run(['sh', '-c', 'true'], { image, host: other, pull: 'never' });
      await other.close();
    };
    await once();
    const before = open();
    for (let i = 0; i < 8; i++) await once();
    // Two layers each; connections of earlier tests may come to their end.
    expect(open()).toBeLessThan(before + 8);
  });

  test.each<[string, string]>([
    ['1000', 'uid=1000(dev) gid=50(staff) groups=10(wheel)'],
    ['1000:20', 'uid=1000(dev) gid=20(users)'],
    ['dev', 'uid=1000(dev) gid=50(staff) groups=10(wheel)'],
    ['4000', 'uid=4000 gid=0(root)'],
    ['0', 'uid=0(root) gid=0(root) groups=0(root),10(wheel)'],
    ['root', 'uid=0(root) gid=0(root) groups=0(root),10(wheel)'],
    ['', 'uid=0(root) gid=0(root) groups=0(root),10(wheel)'],
    ['root:root', 'uid=0(root) gid=0(root)'],
  ])('the groups of the user %j are those of the image', async (User, expected) => {
    const layer = layerOf({
      'etc/passwd': 'root:x:0:0::/root:/bin/sh\ndev:x:1000:50::/home/dev:/bin/sh\n',
      'etc/group': 'root:x:0:root\nwheel:x:10:root,dev\nusers:x:20:\nstaff:x:50:\n',
    });
    const made = testImage([busyboxLayer(directory('.')), layer], { config: { Env: ['PATH=/bin'], User } });
    const named = await importTestImage(host, made, 'user:1');
    const idOf = async (options: SandboxOptions = {}) =>
      (await Sandbox.run(['id'], { image: named, host, ...options })).stdout.trim();
    expect(await idOf()).toBe(expected);
    expect(await idOf({ user: 1000 })).toBe('uid=1000(dev) gid=1000');
    if (User !== '') return;
    const few = [{ inside: 0, outside: 200_000, count: 6 }];
    const without = await idOf({ security: { userNamespace: { uids: few, gids: few } } });
    expect(without).toBe('uid=0(root) gid=0(root) groups=0(root)');
  });

  test("an image's working directory is made where no layer has it, below its root, and none of the caller's", async () => {
    const layer = busyboxLayer(
      directory('.'),
      directory('real'),
      symlink('link', '/../../real'),
      symlink('out', '/../../../nowhere'),
    );
    const start = async (WorkingDir: string, script: string, options: { cwd?: string } = {}) => {
      const made = testImage([layer], { config: { Env: ['PATH=/bin'], User: '1000', WorkingDir } });
      return Sandbox.run(['sh', '-c', script], { image: await importTestImage(host, made, 'cwd:1'), host, ...options });
    };
    const where = 'pwd; stat -c %u:%g:%a . ..';
    expect((await start('/srv/made/app', where)).stdout).toBe('/srv/made/app\n0:0:755\n0:0:755\n');
    expect((await start('/link/sub', 'pwd; ls /real')).stdout).toBe('/real/sub\nsub\n');
    expect((await start('/srv/made', 'ls /srv || pwd', { cwd: '/bin' })).stdout).toBe('/bin\n');
    expect(await rejection(start('/out', 'pwd'))).toMatchObject({ code: 'ERR_IMAGE_INVALID' });
    expect(existsSync('/nowhere')).toBe(false);
    expect(await rejection(start('/', 'pwd', { cwd: '/missing' }))).toMatchObject({ code: 'ERR_CWD_NOT_FOUND' });
  });

  test('an image without layers is a typed error, and can be passed on all the same', async () => {
    const path = join(scratch, `none-${storage}.tar`);
    const none = await importTestImage(host, testImage([], { config: { Cmd: ['/bin/sh'] } }), 'none:1');
    await none.save(path);
    const [loaded] = await Image.load(path, { host });
    expect(loaded?.layers).toEqual([]);
    for (const start of [
      () => Sandbox.run([], { image: none, host }),
      () => Sandbox.create({ image: 'none:1', host }),
    ]) {
      const error = await rejection(start());
      expect(error).toMatchObject({ code: 'ERR_IMAGE_INVALID', subject: none.reference });
      expect(error.message).toContain('has no layers');
    }
  });

  test('an image that is not there is a typed error', async () => {
    const missing = `${registry.host}/test/missing:1`;
    expect((await rejection(Sandbox.run(['true'], { image: missing, host }))).code).toBe('ERR_IMAGE_NOT_FOUND');
    expect((await rejection(Sandbox.create({ image: missing, host, pull: 'never' }))).code).toBe('ERR_IMAGE_NOT_FOUND');
  });
});

test('a name that is none is refused before anything is touched', async () => {
  expect((await rejection(Sandbox.run(['true'], { image: 'no/reference at all' }))).code).toBe('ERR_INVALID_REFERENCE');
});
