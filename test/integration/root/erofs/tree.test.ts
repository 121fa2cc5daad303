import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { indexTar, indexWhile } from '../../../../lib/native/erofs.js';
import { LAYER, makeDirectory, makeIndex, withMounted } from '../../../support/erofs.js';
import { command, readMount, readTree, type Tree } from '../../../support/tree-facts.js';

let directory: Awaited<ReturnType<typeof makeDirectory>>;
let odd: string;
let oddTree: Tree;

beforeAll(async () => {
  directory = await makeDirectory('erofs-tree');
  odd = join(directory.path, 'odd');
  await mkdir(odd);
  await command('python3', 'test/support/odd-tree.py', odd);
  oddTree = await readTree(odd);
});

afterAll(() => directory[Symbol.asyncDispose]());

const WITH_ATTRIBUTES = ['--xattrs', '--xattrs-include=*', '--acls'];

async function pack(name: string, source: string, ...options: readonly string[]): Promise<string> {
  const archive = join(directory.path, `${name}.tar`);
  await command('tar', '--create', '--numeric-owner', '--sort=name', ...options, '-f', archive, '-C', source, '.');
  return archive;
}

describe('a mounted index is the tree that was packed', () => {
  test('PAX, with attributes, sparse files and access lists', async () => {
    const archive = await pack('pax', odd, '--format=pax', '--sparse', ...WITH_ATTRIBUTES);
    await withMounted(archive, async (mount) => {
      expect(await readMount(mount)).toEqual(oddTree);
    });
  });

  for (const version of ['0.0', '0.1', '1.0']) {
    test(`sparse files of version ${version}`, async () => {
      const archive = await pack(
        `sparse-${version}`,
        odd,
        '--format=pax',
        '--sparse',
        `--sparse-version=${version}`,
        ...WITH_ATTRIBUTES,
      );
      await withMounted(archive, async (mount) => {
        expect(await readMount(mount)).toEqual(oddTree);
      });
    });
  }

  test('GNU, which has neither attributes nor fractions of a second', async () => {
    const archive = await pack('gnu', odd, '--format=gnu', '--sparse');
    const unpacked = join(directory.path, 'gnu');
    await mkdir(unpacked);
    await command('tar', '--extract', '--numeric-owner', '--preserve-permissions', '-f', archive, '-C', unpacked);
    await withMounted(archive, async (mount) => {
      expect(await readMount(mount)).toEqual(await readTree(unpacked));
    });
  });

  test('real files: configuration, headers and programs of this machine', async () => {
    const archive = join(directory.path, 'real.tar');
    const unpacked = join(directory.path, 'real');
    await mkdir(unpacked);
    await command(
      'tar',
      '-C',
      '/',
      '--format=pax',
      ...WITH_ATTRIBUTES,
      '-cf',
      archive,
      'etc',
      'usr/include/linux',
      'usr/sbin',
    );
    await command('tar', '-C', unpacked, '--numeric-owner', ...WITH_ATTRIBUTES, '-xpf', archive);
    await withMounted(archive, async (mount) => {
      const { '': _root, ...mounted } = await readMount(mount);
      const { '': _ours, usr: _usr, 'usr/include': _include, ...expected } = await readTree(unpacked);
      // No entry describes these two.
      const { usr, 'usr/include': include, ...rest } = mounted;
      expect(rest).toEqual(expected);
      expect([usr, include]).toEqual(Array(2).fill({ mode: '40755', uid: 0, gid: 0, mtimeNs: '0' }));
    });
  });
});

describe('an index', () => {
  test('is the same whether the archive is a file or arrives in pieces', async () => {
    const archive = await pack('pieces', odd, '--format=pax', '--sparse', ...WITH_ATTRIBUTES);
    const whole = await makeIndex(archive);
    await using index = await open(join(directory.path, 'pieces.index'), 'w+');
    const fifo = join(directory.path, 'fifo');
    await command('mkfifo', fifo);
    const feeding = pipeline(createReadStream(archive, { highWaterMark: 7000 }), createWriteStream(fifo));
    await using pipe = await open(fifo, 'r');
    expect(await indexTar(pipe.fd, index.fd, { layer: LAYER })).toEqual(whole);
    await feeding;
    expect(
      Buffer.compare(await readFile(`${archive}.index`), await readFile(join(directory.path, 'pieces.index'))),
    ).toBe(0);
  });

  test('is small, and counts', async () => {
    const archive = await pack('small', odd, '--format=pax', '--sparse', ...WITH_ATTRIBUTES);
    const report = await makeIndex(archive);
    expect(report.entries).toBe(Object.keys(oddTree).length);
    expect(report.bytes / report.entries).toBeLessThan(256);
    expect(report).toMatchObject({ droppedAttributes: 0, archiveBytes: (await readFile(archive)).length });
  });
});

describe('an index that is made while its archive is written', () => {
  interface Files extends AsyncDisposable {
    readonly output: FileHandle;
    readonly input: FileHandle;
    readonly index: FileHandle;
  }

  async function openFiles(name: string): Promise<Files> {
    const path = join(directory.path, name);
    const output = await open(path, 'wx');
    const input = await open(path, 'r');
    const index = await open(`${path}.index`, 'wx+');
    const all = [output, input, index];
    return {
      output,
      input,
      index,
      [Symbol.asyncDispose]: async () => {
        for (const file of all) await file.close();
      },
    };
  }

  test.each([
    ['in pieces that end anywhere', 7000],
    ['in pieces that end within headers', 500],
    ['at once', 2 ** 30],
  ])('is the same: %s', async (label, pieceBytes) => {
    const archive = await pack(`while-${pieceBytes}`, odd, '--format=pax', '--sparse', ...WITH_ATTRIBUTES);
    const whole = await makeIndex(archive);
    const bytes = await readFile(archive);
    await using files = await openFiles(`growing-${pieceBytes}`);
    const write = async (): Promise<void> => {
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        await files.output.write(bytes.subarray(at, at + pieceBytes));
        // Often enough in the middle of something, and not so often that it takes minutes.
        if ((at / pieceBytes) % 97 === 0) await sleep(25);
      }
    };
    expect(await indexWhile(write, files.input.fd, files.index.fd, { layer: LAYER }), label).toEqual(whole);
    const made = await readFile(join(directory.path, `growing-${pieceBytes}.index`));
    expect(Buffer.compare(await readFile(`${archive}.index`), made)).toBe(0);
  });

  test('fails as the writing does, also when what was written is cut off', async () => {
    const bytes = await readFile(await pack('while-failing', odd, '--format=pax', ...WITH_ATTRIBUTES));
    await using files = await openFiles('growing-failing');
    const full = new Error('no space left');
    const write = async (): Promise<void> => {
      await files.output.write(bytes.subarray(0, 700));
      throw full;
    };
    const made = indexWhile(write, files.input.fd, files.index.fd, { layer: LAYER });
    await expect(made).rejects.toBe(full);
  });

  test('stops the writing of what is no archive', async () => {
    await using files = await openFiles('growing-nonsense');
    let hasStopped = false;
    const write = async (signal: AbortSignal): Promise<void> => {
      await files.output.write(Buffer.alloc(1024, 'x'));
      await once(signal, 'abort');
      hasStopped = true;
      throw new Error('was told to stop');
    };
    const made = indexWhile(write, files.input.fd, files.index.fd, { layer: LAYER });
    await expect(made).rejects.toMatchObject({ code: 'ERR_LAYER_INVALID' });
    expect(hasStopped).toBe(true);
  });

  test('is of an archive that ends too early once nobody writes any more', async () => {
    const bytes = await readFile(await pack('while-short', odd, '--format=pax', ...WITH_ATTRIBUTES));
    await using files = await openFiles('growing-short');
    const write = async (): Promise<void> => {
      await files.output.write(bytes.subarray(0, 700));
    };
    const made = indexWhile(write, files.input.fd, files.index.fd, { layer: LAYER });
    await expect(made).rejects.toMatchObject({ code: 'ERR_LAYER_INVALID' });
  });
});
