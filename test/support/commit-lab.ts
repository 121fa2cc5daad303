import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect } from 'vitest';
import { openImages, type ImageContext } from '../../lib/image/image-context.js';
import { parseReference } from '../../lib/image/reference.js';
import { RegistryClient } from '../../lib/image/registry/client.js';
import { getImage, type StoredImage } from '../../lib/image/stored-image.js';
import { Host, Sandbox, type CommitOptions, type SandboxOptions } from '../../lib/index.js';
import { nativeParts } from '../../lib/native/addon.js';
import { busyboxLayer } from './busybox-image.js';
import { sha256 } from './content.js';
import { directorySnapshotter } from './directory-snapshotter.js';
import { startRegistry, type TestRegistry } from './registry.js';
import { archive, directory, file, symlink } from './tar.js';
import { publish, testImage } from './test-image.js';

/** What sandboxes are made of, to be changed. */
export const BASE = testImage(
  [
    busyboxLayer(
      ...['kept', 'old', 'tree', 'tree/sub', 'again', 'deep', 'deep/er'].map((path) => directory(path)),
      ...['kept/file', 'old/gone', 'tree/sub/f', 'again/was', 'deep/er/f', 'deep/er/g', 'changed'].map((path) =>
        file(path, `${path}\n`),
      ),
      file('mode', 'mode\n', { uid: 7, gid: 8 }),
      symlink('link', 'changed'),
    ),
    archive(directory('second'), file('second/file', 'of the second layer\n')),
  ],
  {
    config: {
      Env: ['PATH=/bin', 'KEPT=yes', 'CHANGED=no'],
      Cmd: ['/bin/sh'],
      Labels: { from: 'base' },
      ExposedPorts: { '80/tcp': {} },
      OnBuild: ['RUN true'],
    },
  },
);
/** Everything there is to see of every file, but for what two copies of a directory may differ in. */
export const LISTING = `cd /; busybox find . -mindepth 1 \\( -path ./dev -o -path ./proc -o -path ./sys \\) -prune -o -print | busybox sort |
while read -r path; do
  if [ -d "$path" ] && [ ! -L "$path" ]; then busybox stat -c '%n %f %u %g %y' "$path"
  else busybox stat -c '%N %f %u %g %y %s %h %t:%T' "$path"; fi
  if [ -f "$path" ] && [ ! -L "$path" ]; then busybox md5sum "$path"; fi
done`;

/** One of each kind. */
export const CHANGES = `set -e
echo new > made; chown 1234:4321 made; chmod 4755 made
echo more >> changed
chmod 600 mode
rm old/gone; rm -r tree
rm -r again; mkdir again; echo fresh > again/fresh
ln changed deep/er/linked; ln changed /deep/linked-too
rm deep/er/f; ln -s nowhere deep/dangling; mkfifo deep/pipe
mv kept moved
rm link; mkdir link; touch "link/with space"
busybox touch -d '2001-02-03 04:05:06' deep
: > empty; busybox truncate -s 3000000 sparse; echo end >> sparse`;

/** What a layer of them holds. */
export const ENTRIES = [
  'again/', 'again/.wh..wh..opq', 'again/fresh', 'changed', 'deep/', 'deep/dangling', 'deep/er/', 'deep/er/.wh.f',
  'deep/er/linked', 'deep/linked-too', 'deep/pipe', 'empty', '.wh.kept', 'link/', 'link/.wh..wh..opq', 'link/with space',
  'made', 'mode', 'moved/', 'moved/file', 'old/', 'old/.wh.gone', 'sparse', '.wh.tree',
].sort(); // prettier-ignore

/** A registry with `BASE`, for a file of tests. */
export class CommitLab {
  readonly scratch = mkdtempSync('/var/tmp/cloister-commit-');
  registry!: TestRegistry;
  client!: RegistryClient;
  reference!: string;

  constructor() {
    beforeAll(async () => {
      this.registry = await startRegistry();
      this.client = new RegistryClient({ useCredentialFiles: false });
      this.reference = `${this.registry.host}/commit/base:1`;
      await publish(this.client, parseReference(this.reference), BASE);
    });
    afterAll(async () => {
      await this.client.close();
      await this.registry[Symbol.asyncDispose]();
      rmSync(this.scratch, { recursive: true, force: true });
    });
  }

  at(name: string): string {
    return join(this.scratch, name);
  }

  /** For a group of tests. */
  host(storage: 'overlay' | 'erofs' | 'copy'): CommitHost {
    return new CommitHost(this, storage);
  }
}

/** Sandboxes of images, and a look at what is stored of them. */
export class CommitHost {
  readonly host: Host;
  readonly root: string;
  readonly images: ImageContext & Disposable;
  readonly #lab: CommitLab;

  constructor(lab: CommitLab, storage: 'overlay' | 'erofs' | 'copy') {
    this.#lab = lab;
    this.root = lab.at(storage);
    this.host = new Host({
      root: this.root,
      stateDir: lab.at('state'),
      storage,
      registries: { useCredentialFiles: false },
    });
    const layers = directorySnapshotter(lab.at(`${storage}-none`));
    this.images = openImages(this.root, (...range) => nativeParts().addon.lockRange(...range), layers);
    afterAll(async () => {
      this.images[Symbol.dispose]();
      await this.host.close();
    });
  }

  open(image = this.#lab.reference, options: SandboxOptions = {}): Promise<Sandbox> {
    return Sandbox.create({ image, host: this.host, user: 0, ...options });
  }

  /** Of the image that a commit resolves with, what is stored. */
  async commit(box: Sandbox, reference: string, options?: CommitOptions): Promise<StoredImage> {
    const image = await box.commit(reference, options);
    const stored = await getImage(this.images, image.reference);
    expect(stored.record.manifest.digest).toBe(image.digest);
    return stored;
  }

  async lastLayer({ manifest, config }: StoredImage): Promise<Buffer> {
    const { digest, mediaType } = manifest.layers.at(-1)!;
    const bytes = await this.images.content.readAll(digest, 2 ** 30);
    const tar = mediaType.endsWith('gzip') ? gunzipSync(bytes) : bytes;
    expect(sha256(tar)).toBe(config.diffIds.at(-1));
    return tar;
  }

  /** Of the last layer, sorted. */
  async entriesOf(image: StoredImage): Promise<string[]> {
    const path = this.#lab.at('layer.tar');
    writeFileSync(path, await this.lastLayer(image));
    const names = execFileSync('tar', ['-tf', path], { encoding: 'utf8' }).split('\n');
    return names.filter((name) => name !== '').sort();
  }
}

/** What a script prints, which must not fail. */
export async function sh(box: Sandbox, script: string): Promise<string> {
  const { stdout, stderr, exitCode } = await box.exec(['sh', '-c', script]);
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  return stdout;
}

/** What it prints in a tree of files. */
export function shIn(root: string, script: string): string {
  return execFileSync('chroot', [root, '/bin/sh', '-c', script], { encoding: 'utf8' });
}
