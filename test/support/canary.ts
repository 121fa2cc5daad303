import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { removeTree, type UnpackOptions, type Unpacked } from '../../lib/native/layers.js';
import { unpackInto } from './layers.js';
import { rejection } from './rejection.js';
import { makeScratch } from './scratch.js';
import { readTree, type Tree, type TreeOptions } from './tree.js';

/**
 * A place to unpack hostile archives at, with something beside it that must not change: `outside/`, which archives reach as
 * `../outside` or by its absolute path.
 */
export class Canary implements Disposable {
  readonly #scratch: ReturnType<typeof makeScratch>;
  readonly #before: Tree;
  /** The absolute path that must not change. */
  readonly outside: string;
  /** Where the archive is unpacked; a new one each time. */
  layer = '';
  #count = 0;

  constructor(topic: string) {
    this.#scratch = makeScratch(topic);
    this.outside = join(this.#scratch.path, 'outside');
    mkdirSync(join(this.outside, 'directory'), { recursive: true });
    writeFileSync(join(this.outside, 'secret'), 'secret', { mode: 0o600 });
    writeFileSync(join(this.outside, 'directory/file'), 'file');
    symlinkSync('secret', join(this.outside, 'link'));
    execFileSync('mkfifo', [join(this.outside, 'fifo')]);
    this.#before = readTree(this.outside);
  }

  get path(): string {
    return this.#scratch.path;
  }

  /** A new directory to unpack into, empty. */
  renew(): string {
    this.layer = join(this.path, `layer-${++this.#count}`);
    mkdirSync(this.layer);
    return this.layer;
  }

  async unpack(archive: Uint8Array, options: UnpackOptions = {}): Promise<Unpacked> {
    this.renew();
    return this.again(archive, options);
  }

  /** Unpacks into the directory of last time. */
  async again(archive: Uint8Array, options: UnpackOptions = {}): Promise<Unpacked> {
    try {
      return await unpackInto(this.layer, archive, options);
    } finally {
      this.expectUntouched();
    }
  }

  /** The message of the refusal, without its hint; what was left is removed. */
  async refusal(archive: Uint8Array, options: UnpackOptions = {}): Promise<string> {
    const error = await rejection(this.unpack(archive, options));
    expect(error.code).toBe('ERR_LAYER_INVALID');
    await this.remove();
    return error.message.split('\n')[0] ?? '';
  }

  /** Removes what was unpacked, in whatever state it is. */
  async remove(): Promise<void> {
    const parent = openSync(this.path, 'r');
    const name = `layer-${this.#count}`;
    await removeTree(parent, name).finally(() => closeSync(parent));
    expect(readdirSync(this.path)).not.toContain(name);
    this.expectUntouched();
  }

  tree(options?: TreeOptions): Tree {
    return readTree(this.layer, options);
  }

  expectUntouched(): void {
    // That somebody gave one of its files a further name elsewhere is no change of ours.
    const now = Object.entries(readTree(this.outside)).map(([path, text]) => [path, text.replace(/ one with .*/, '')]);
    expect(Object.fromEntries(now)).toEqual(this.#before);
    expect(readdirSync(this.path).filter((name) => !/^(outside|layer-\d+)(\.\d+\.tar)?$/.test(name))).toEqual([]);
  }

  [Symbol.dispose](): void {
    this.#scratch[Symbol.dispose]();
  }
}
