import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { parseReference, type Reference } from '../../lib/image/reference.js';
import { RegistryClient } from '../../lib/image/registry/client.js';
import { FaultProxy } from './fault-proxy.js';
import { openTestImages } from './images.js';
import { startRegistry, type TestRegistry } from './registry.js';
import { makeScratch } from './scratch.js';

/** A registry behind a proxy that sees all, for a file of tests; an empty store for each test. */
export class ImageLab {
  registry!: TestRegistry;
  proxy!: FaultProxy;
  client!: RegistryClient;
  images!: ReturnType<typeof openTestImages>;
  #scratch!: ReturnType<typeof makeScratch>;

  constructor() {
    beforeAll(async () => {
      this.registry = await startRegistry();
      this.proxy = await FaultProxy.start(this.registry.host);
      this.client = new RegistryClient({ retryDelayMs: 5, useCredentialFiles: false });
    });
    afterAll(async () => {
      await this.client.close();
      await this.proxy[Symbol.asyncDispose]();
      await this.registry[Symbol.asyncDispose]();
    });
    beforeEach(() => {
      this.proxy.reset();
      this.#scratch = makeScratch('images');
      this.images = openTestImages(this.root);
    });
    afterEach(() => {
      this.images[Symbol.dispose]();
      this.#scratch[Symbol.dispose]();
    });
  }

  /** Of the store. */
  get root(): string {
    return this.#scratch.path;
  }

  reference(name: string): Reference {
    return parseReference(`${this.proxy.host}/${name}`);
  }

  /** Names of blobs that are not complete. */
  partials(): string[] {
    return readdirSync(join(this.root, 'content/ingest'));
  }

  /** Nothing is damaged, nothing is half-made. */
  async expectSound(): Promise<void> {
    expect(await this.images.content.verify()).toEqual([]);
    expect(readdirSync(this.root).filter((name) => name.startsWith('unpack-'))).toEqual([]);
  }
}
