import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { loadImages } from '../../lib/image/archive/load.js';
import { dockerFiles, layoutFiles, tarOf, type Files } from './image-archives.js';
import { openTestImages } from './images.js';
import { noise } from './noise.js';
import { rejection } from './rejection.js';
import { makeScratch } from './scratch.js';
import { layerOf, testImage, type TestImage } from './test-image.js';

export const INVALID = 'ERR_IMAGE_INVALID';
export const MISMATCH = 'ERR_DIGEST_MISMATCH';
export const LAYER = 'ERR_LAYER_INVALID';

export const good = testImage([layerOf({ base: 'x' }), layerOf({ big: noise(1, 200_000) })]);
export const other = testImage([layerOf({ other: 'x' })]);
const old = testImage([layerOf({ old: 'x' })]);

export const layout = (image: TestImage = good): Files => layoutFiles({ 'app:1': image });
export const docker = (image: TestImage = good): Files => dockerFiles({ 'app:1': image });

export function changed(files: Files, name: string, bytes: Buffer): Files {
  return { ...files, [name]: bytes };
}

export function without(files: Files, name: string): Files {
  return Object.fromEntries(Object.entries(files).filter(([each]) => each !== name));
}

/** The same size, other bytes. */
export function damaged(files: Files, name: string): Files {
  const bytes = Buffer.from(files[name]!);
  bytes[bytes.length >> 1]! ^= 1;
  return changed(files, name, bytes);
}

/** For each test a store where the name that archives claim stands for an image already. */
export class HostileLab {
  images!: ReturnType<typeof openTestImages>;
  before!: string[];
  #scratch!: ReturnType<typeof makeScratch>;

  constructor() {
    beforeEach(async () => {
      this.#scratch = makeScratch('hostile');
      this.images = openTestImages(this.path('store'));
      writeFileSync(this.path('old.tar'), tarOf(layoutFiles({ 'app:1': old })));
      await loadImages(this.images, this.path('old.tar'));
      this.before = this.store();
    });
    afterEach(() => {
      this.images[Symbol.dispose]();
      this.#scratch[Symbol.dispose]();
    });
  }

  path(name: string): string {
    return join(this.#scratch.path, name);
  }

  /** Every file of the store, and contents of names. */
  store(): string[] {
    const names = readdirSync(this.path('store'), { recursive: true, encoding: 'utf8' }).sort();
    const records = readdirSync(this.path('store/images')).map((name) =>
      readFileSync(this.path(`store/images/${name}`), 'utf8'),
    );
    return [...names, ...records];
  }

  /** It is refused, and the store is as it was. */
  async refuses(given: string, code: string, message = ''): Promise<void> {
    const error = await rejection(loadImages(this.images, given));
    expect(error.message).toContain(message);
    expect(error.code).toBe(code);
    expect(this.store()).toEqual(this.before);
    expect(await this.images.content.verify()).toEqual([]);
    expect(readdirSync('/var/tmp').filter((name) => name.includes('evil'))).toEqual([]);
  }

  async refusesBytes(bytes: Uint8Array, code: string, message?: string): Promise<void> {
    writeFileSync(this.path('archive'), bytes);
    await this.refuses(this.path('archive'), code, message);
  }
}
