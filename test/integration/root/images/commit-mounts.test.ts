import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Image, Volume, type Sandbox, type SandboxOptions } from '../../../../lib/index.js';
import { CommitLab, sh } from '../../../support/commit-lab.js';
import { archive, directory, file, symlink } from '../../../support/tar.js';

const lab = new CommitLab();

/** Nothing of what a sandbox mounts on is in it. */
const BARE = archive(
  directory('bin'),
  file('bin/busybox', readFileSync('/bin/busybox'), { mode: 0o755 }),
  ...['cat', 'chmod', 'mkdir', 'rm', 'rmdir', 'sh', 'umount'].map((name) => symlink(`bin/${name}`, 'busybox')),
  directory('there'),
  file('there/file', 'of the image\n'),
  directory('real'),
  symlink('link', 'real'),
);

function mounts(): SandboxOptions {
  mkdirSync(lab.at('source'), { recursive: true });
  writeFileSync(lab.at('hosts'), 'a file of the host\n');
  return {
    mounts: [
      Volume.bind(lab.at('source'), '/data/bound'),
      Volume.bind(lab.at('hosts'), '/etc/hosts'),
      Volume.tmpfs('/scratch/deep/er'),
      Volume.bind(lab.at('source'), '/there/bound'),
      Volume.tmpfs('/link/through'),
    ],
  };
}

describe.each(['overlay', 'erofs'] as const)('%s', (storage) => {
  const on = lab.host(storage);

  async function openBare(options: SandboxOptions = mounts()): Promise<Sandbox> {
    const source = (async function* () {
      yield BARE;
    })();
    await Image.import(source, 'me/bare:1', {
      host: on.host,
      config: { env: { PATH: '/bin' }, cmd: ['sh'], workingDir: '/work', volumes: ['/volume/of'] },
    });
    return on.open('me/bare:1', options);
  }

  async function entriesAfter(script: string, options?: SandboxOptions): Promise<string[]> {
    await using box = await openBare(options);
    if (script !== '') await sh(box, script);
    return await on.entriesOf(await on.commit(box, 'me/bare:2'));
  }

  test('what was made for the mounts is no change', async () => {
    expect(await entriesAfter('echo gone with it > /scratch/deep/er/file; mkdir -p /dev/shm/x')).toEqual([]);
    expect(await entriesAfter('', { ...mounts(), writable: 'disk' })).toEqual([]);
  });

  test('what programs make is, an empty directory too, with the directories on the way', async () => {
    expect(await entriesAfter('mkdir /empty /data/made; echo > /there/new; echo > /work/file')).toEqual([
      'data/',
      'data/made/',
      'empty/',
      'there/',
      'there/new',
      'work/',
      'work/file',
    ]);
  });

  test('a directory on the way that a program changed is kept', async () => {
    expect(await entriesAfter('chmod 700 /scratch/deep')).toEqual(['scratch/', 'scratch/deep/']);
    expect(await entriesAfter('rm /there/file')).toEqual(['there/', 'there/.wh.file']);
    expect(await entriesAfter('rmdir /work; mkdir /work')).toEqual(['work/']);
  });

  test('what a program writes where it has taken a mount away is a change', async () => {
    const options: SandboxOptions = {
      mounts: [Volume.tmpfs('/scratch/deep/er')],
      security: { capabilities: { add: ['CAP_SYS_ADMIN'] } },
    };
    const script = 'umount /scratch/deep/er; echo > /scratch/deep/er/file';
    expect(await entriesAfter(script, options)).toEqual([
      'scratch/',
      'scratch/deep/',
      'scratch/deep/er/',
      'scratch/deep/er/file',
    ]);
  });

  test('the next sandbox has what it needs', async () => {
    await using box = await openBare();
    await sh(box, 'echo kept > /data/kept');
    await on.commit(box, 'me/bare:3');
    await using next = await on.open('me/bare:3', mounts());
    expect(await sh(next, 'cat /data/kept /etc/hosts /there/file')).toBe('kept\na file of the host\nof the image\n');
  });
});
