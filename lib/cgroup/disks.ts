import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { posix } from 'node:path';

/** st_dev as `MAJ:MIN`, makedev(3). Beyond 32 bits, so without shifts. */
export function formatDevice(dev: number): string {
  const low = dev % 2 ** 32;
  const major = (Math.floor(low / 256) % 4096) + Math.floor(dev / 2 ** 44) * 4096;
  const minor = (low % 256) + Math.floor(low / 2 ** 20) * 256;
  return `${major}:${minor}`;
}

/** What sysfs says about block devices, each named `MAJ:MIN`. */
export class Disks {
  readonly #stacked = new Map<string, boolean>();

  /** @param sysfs another root in tests */
  constructor(private readonly sysfs = '/sys') {}

  /** The whole disk behind a path; undefined when the file system is not on one disk (tmpfs, overlay, btrfs, NFS). */
  behind(path: string): string | undefined {
    try {
      return this.whole(formatDevice(statSync(path).dev));
    } catch {
      return undefined;
    }
  }

  /** The disk of a partition, or the disk itself: rates apply to whole disks only (block/blk-cgroup.c, blkg_conf_open_bdev). */
  whole(device: string): string | undefined {
    const directory = posix.join(this.sysfs, 'dev/block', device);
    // The entry is a symbolic link: a text join would lose where ".." leads.
    if (existsSync(`${directory}/partition`)) return this.#read(`${directory}/../dev`);
    return this.#read(`${directory}/dev`);
  }

  /** Whether the device hands its requests to another block device: dm, md, loop. */
  isStacked(device: string): boolean {
    const known = this.#stacked.get(device);
    if (known !== undefined) return known;
    const directory = posix.join(this.sysfs, 'dev/block', device);
    const isStacked = existsSync(`${directory}/loop`) || this.#list(`${directory}/slaves`).length > 0;
    this.#stacked.set(device, isStacked);
    return isStacked;
  }

  usesBfq(device: string): boolean {
    return this.#read(posix.join(this.sysfs, 'dev/block', device, 'queue/scheduler'))?.includes('[bfq]') === true;
  }

  /** Disks with hardware, or a hypervisor's imitation of it, behind them. */
  all(): string[] {
    const block = posix.join(this.sysfs, 'block');
    return this.#list(block)
      .filter((name) => existsSync(posix.join(block, name, 'device')))
      .flatMap((name) => this.#read(posix.join(block, name, 'dev')) ?? []);
  }

  #read(path: string): string | undefined {
    try {
      return readFileSync(path, 'latin1').trim();
    } catch {
      return undefined;
    }
  }

  #list(path: string): string[] {
    try {
      return readdirSync(path);
    } catch {
      return [];
    }
  }
}
