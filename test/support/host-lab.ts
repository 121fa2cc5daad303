import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { Host } from '../../lib/index.js';
import { makeScratch } from './scratch.js';

/** Two hosts that know nothing of each other, and a directory, anew for each test of a file. */
export class HostLab {
  host!: Host;
  other!: Host;
  #scratch!: ReturnType<typeof makeScratch>;

  constructor(label: string) {
    beforeEach(() => {
      this.#scratch = makeScratch(label);
      this.host = this.#open('host');
      this.other = this.#open('other');
    });
    afterEach(async () => {
      await this.host.close();
      await this.other.close();
      this.#scratch[Symbol.dispose]();
    });
  }

  /** Of the directory, or of something in it. */
  path(name = ''): string {
    return join(this.#scratch.path, name);
  }

  #open(name: string): Host {
    const options = { storage: 'overlay', registries: { useCredentialFiles: false } } as const;
    return new Host({ root: this.path(name), stateDir: this.path(`${name}-state`), ...options });
  }
}
