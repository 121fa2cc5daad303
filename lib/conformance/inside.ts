import { lstatSync, readlinkSync } from 'node:fs';
import { checkCommand } from '../api/command-spec.js';
import { Host } from '../api/host.js';
import { checkSandbox } from '../api/sandbox-spec.js';
import { Volume } from '../api/volume.js';
import { RootfsService } from '../rootfs/rootfs.js';
import type { Snapshotter } from '../shared/snapshotter.js';
import { NO_DEFAULTS, type OpenImage } from '../runtime/image.js';
import { RunningSandbox } from '../runtime/sandbox.js';
import type { Services } from '../runtime/services.js';
import type { Digest } from '../shared/digest.js';
import type { Entry } from './archive.js';

const TOP_LEVEL = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'];
const isLink = (name: string): boolean => lstatSync(`/${name}`, { throwIfNoEntry: false })?.isSymbolicLink() === true;
const isDirectory = (name: string): boolean => lstatSync(`/${name}`, { throwIfNoEntry: false })?.isDirectory() === true;

/** What an image needs so that the host's programs, mounted into it, run. */
export const HOST_LINKS: readonly Entry[] = TOP_LEVEL.filter(isLink).map((name) => ({
  name,
  link: readlinkSync(`/${name}`),
}));

function imageOf(layers: readonly Digest[]): OpenImage {
  const digest: Digest = `sha256:${'c'.repeat(64)}`;
  return { reference: 'conformance', digest, layers, defaults: NO_DEFAULTS, [Symbol.dispose]: () => undefined };
}

function servicesFor(driver: Snapshotter, layers: readonly Digest[], directory: string): Services {
  const { services } = Host.default;
  const rootfs = new RootfsService({
    directory,
    cloneMount: (path, recursive) => services.kernel.cloneMount(path, recursive),
    snapshotter: async () => driver,
  });
  return { ...services, rootfs, openImage: async () => imageOf(layers) };
}

/** A root file system made of layers, bottom first, with the host's programs at `/usr` to look at it. */
export class Inside {
  readonly #services: Services;

  constructor(driver: Snapshotter, layers: readonly Digest[], directory: string) {
    this.#services = servicesFor(driver, layers, directory);
  }

  /** Output of a shell script; an error with what it said when it fails. */
  async run(script: string): Promise<string> {
    const directories = ['usr', ...TOP_LEVEL.filter(isDirectory)];
    const mounts = directories.map((name) => Volume.bind(`/${name}`, `/${name}`, { readonly: true }));
    const spec = checkSandbox({ image: 'conformance', mounts });
    const command = checkCommand(['/bin/sh', '-ec', script], {}, spec, 60_000);
    const { exitCode, stdout, stderr } = await RunningSandbox.run(this.#services, spec, command).result;
    if (exitCode === 0) return String(stdout);
    throw new Error(`${script}: exit code ${String(exitCode)}\n${String(stderr)}`);
  }
}
