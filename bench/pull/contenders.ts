import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { runProgram } from '../programs.js';
import { startDockerd } from './dockerd.js';
import type { PullCost } from './pull-process.js';
import type { StartTimes } from './start-process.js';

const run = promisify(execFile);
const program = (name: string): string => fileURLToPath(new URL(`${name}.js`, import.meta.url));

export const DRIVERS = ['overlay', 'erofs', 'copy'] as const;
export type Driver = (typeof DRIVERS)[number];

/** What can be said of a pull; of a peer, how long it took. */
export type Cost = Partial<PullCost> & { readonly seconds: number };

/** One way to get an image from a registry, so that it can be run. */
export interface Puller {
  readonly name: string;
  /** Ends with exit code 0 where it can be used. */
  readonly probe?: readonly string[];
  /** @param directory - a new one, removed by the caller when all have pulled. */
  pull(reference: string, directory: string): Promise<Cost>;
  /** Undoes what a removal of the directory does not. */
  clean?(directory: string): Promise<void>;
}

async function timed(...commands: readonly (readonly string[])[]): Promise<Cost> {
  const began = performance.now();
  for (const command of commands) await runProgram(command);
  return { seconds: (performance.now() - began) / 1000 };
}

export const storeOf = (directory: string): readonly string[] => [join(directory, 'root'), join(directory, 'state')];

export function cloister(driver: Driver): Puller {
  return {
    name: `cloister, ${driver}`,
    pull: async (reference, directory) => {
      const args = [program('pull-process'), ...storeOf(directory), driver, reference];
      const { stdout } = await run(process.execPath, args);
      return JSON.parse(stdout) as PullCost;
    },
  };
}

/** How long starts of an image take that was pulled there, beside those of the host's own root. */
export async function startTimes(directory: string, driver: Driver, image: string, count: number): Promise<StartTimes> {
  const args = [program('start-process'), ...storeOf(directory), driver, image, String(count)];
  const { stdout } = await run(process.execPath, args);
  return JSON.parse(stdout) as StartTimes;
}

function podman(directory: string): readonly string[] {
  const storage = ['--root', join(directory, 'root'), '--runroot', join(directory, 'run')];
  return ['podman', ...storage, '--storage-driver', 'overlay', '--cgroup-manager', 'cgroupfs'];
}

export const PEERS: readonly Puller[] = [
  {
    name: 'podman pull',
    probe: ['podman', '--version'],
    pull: (reference, directory) => timed([...podman(directory), 'pull', '--quiet', '--tls-verify=false', reference]),
    // What it left mounted.
    clean: (directory) => runProgram([...podman(directory), 'system', 'reset', '--force']),
  },
  {
    name: 'docker pull',
    probe: ['dockerd', '--version'],
    pull: async (reference, directory) => {
      await using daemon = await startDockerd(directory, 'overlay2');
      return await timed([...daemon.docker, 'pull', '--quiet', reference]);
    },
  },
  {
    name: 'skopeo copy + umoci unpack',
    probe: ['umoci', '--version'],
    pull: (reference, directory) => {
      mkdirSync(directory, { recursive: true });
      const layout = join(directory, 'layout');
      return timed(
        ['skopeo', '--insecure-policy', 'copy', '--src-tls-verify=false', `docker://${reference}`, `oci:${layout}:1`],
        ['umoci', 'raw', 'unpack', '--image', `${layout}:1`, join(directory, 'rootfs')],
      );
    },
  },
];
