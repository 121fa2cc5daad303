import { posix } from 'node:path';
import type { CgroupFiles } from '../../lib/cgroup/cgroup-files.js';
import type { Disks } from '../../lib/cgroup/disks.js';
import type { CgroupHost } from '../../lib/cgroup/open.js';
import { CloisterError } from '../../lib/errors.js';
import { CONTROL_FILES, CORE_FILES } from './cgroup-files.js';

/** A hierarchy as it is mounted: on v1 with some controllers, on v2 with those that may be passed on. */
export interface FakeHierarchy {
  readonly version: 1 | 2;
  readonly mount: string;
  readonly controllers: readonly string[];
  /** The application's own group. */
  readonly own?: string;
}

interface Group {
  readonly files: Map<string, string>;
  readonly children: Set<string>;
  readonly pids: Set<number>;
}

/** Refuses as the kernel does: with a call, an errno and the path. */
function refuse(syscall: string, errno: string, path: string): never {
  throw new CloisterError('ERR_KERNEL', `${syscall} ${path}: ${errno}`, { syscall, errno, subject: path });
}

/**
 * Imitates cgroupfs in memory, as far as `lib/cgroup` looks: directories come with their control files, groups that are not empty
 * stay, v2 gives a group the controllers that the one above passes on, processes are in one group of each hierarchy, and die.
 */
export class FakeCgroupfs {
  readonly files: CgroupFiles;
  /** Every write, `path = value`, in order. */
  readonly writes: string[] = [];
  /** Descriptors that were opened and not closed. */
  readonly open = new Map<number, string>();
  /** What refuses a write: the path or only the file's name, and the errno. */
  readonly refusals = new Map<string, string>();
  readonly owners = new Map<string, number>();
  /** `SIGKILL` works only for those that are not here. */
  readonly immortal = new Set<number>();
  readonly #groups = new Map<string, Group>();
  readonly #hierarchies: readonly FakeHierarchy[];
  #nextFd = 1000;

  constructor(hierarchies: readonly FakeHierarchy[]) {
    this.#hierarchies = hierarchies;
    for (const { mount } of hierarchies) this.#make(mount);
    this.files = {
      makeDirectory: (path) => this.#makeDirectory(path),
      removeDirectory: (path) => this.#removeDirectory(path),
      write: (path, value) => this.#write(path, value),
      read: (path) => this.#read(path),
      readOpen: (fd, path) => (this.open.get(fd) === path ? this.#read(path) : refuse('pread(2)', 'EBADF', path)),
      open: (path, mode) => this.#open(path, mode),
      chown: (path, uid) => void this.owners.set(path, uid),
      close: (fd) => void this.open.delete(fd),
      list: (path) => [...this.#group(path, 'readdir(3)').children],
    };
  }

  /** What `openCgroupManager` is told about this host. */
  host(disks: Partial<Disks> = {}): CgroupHost {
    const none = { behind: () => '8:0', whole: (device: string) => device, isStacked: () => false };
    return {
      mountinfo: this.#hierarchies.map((each) => mountLine(each)).join('\n'),
      selfCgroup: this.#hierarchies.map((each) => groupLine(each)).join('\n'),
      files: this.files,
      disks: { ...none, usesBfq: () => true, all: () => ['8:0'], ...disks } as unknown as Disks,
      killMembers: (procsFile) => this.#killAll(posix.dirname(procsFile)),
    };
  }

  /** All groups below the mounts. */
  groups(): string[] {
    const mounts = this.#hierarchies.map(({ mount }) => mount);
    return [...this.#groups.keys()].filter((path) => !mounts.includes(path)).sort();
  }

  /** A control file's text, without the line's end. */
  text(path: string): string {
    return this.#read(path).trim();
  }

  /** Sets what the kernel would count. */
  set(path: string, text: string): void {
    this.#group(posix.dirname(path), 'open(2)').files.set(posix.basename(path), text);
  }

  /** Puts a process into a group, as clone3(2) or a write into `tasks` does. */
  enter(path: string, pid: number): void {
    for (const [other, group] of this.#groups) if (this.#mountOf(other) === this.#mountOf(path)) group.pids.delete(pid);
    this.#group(path, 'write(2)').pids.add(pid);
  }

  /** A process's end. */
  exit(pid: number): void {
    for (const group of this.#groups.values()) group.pids.delete(pid);
  }

  /** The groups that a process is in. */
  whereIs(pid: number): string[] {
    return [...this.#groups].filter(([, { pids }]) => pids.has(pid)).map(([path]) => path);
  }

  #mountOf(path: string): FakeHierarchy {
    const found = this.#hierarchies.find(({ mount }) => path === mount || path.startsWith(`${mount}/`));
    if (found === undefined) throw new Error(`${path} is in no hierarchy`);
    return found;
  }

  #group(path: string, syscall: string): Group {
    return this.#groups.get(path) ?? refuse(syscall, 'ENOENT', path);
  }

  #make(path: string): void {
    this.#groups.set(path, { files: new Map(), children: new Set(), pids: new Set() });
    this.#populate(path);
  }

  /** Control files that are there by now and were not before. */
  #populate(path: string): void {
    const { version, controllers, mount } = this.#mountOf(path);
    const { files } = this.#group(path, 'stat(2)');
    const passedOn = (): string[] => {
      const above = path === mount ? undefined : this.#groups.get(posix.dirname(path));
      return above?.files.get('cgroup.subtree_control')?.split(' ').filter(Boolean) ?? [];
    };
    const here = version === 1 ? controllers : passedOn();
    const core = version === 1 ? CORE_FILES[1] : CORE_FILES[2];
    for (const [name, text] of Object.entries(core)) if (!files.has(name)) files.set(name, text);
    if (version === 2) files.set('cgroup.controllers', (path === mount ? controllers : here).join(' '));
    for (const controller of here) {
      for (const [name, text] of Object.entries(CONTROL_FILES[version][controller] ?? {})) {
        if (!files.has(name)) files.set(name, text);
      }
    }
    // A child starts as a copy of the one above, cpusets.html.
    const above = this.#groups.get(posix.dirname(path))?.files;
    if (version === 1 && above?.get('cgroup.clone_children') === '1') {
      for (const name of ['cpuset.cpus', 'cpuset.mems']) files.set(name, above.get(name) ?? '');
    }
  }

  #makeDirectory(path: string): void {
    const refusal = this.refusals.get(path);
    if (refusal !== undefined) refuse('mkdir(2)', refusal, path);
    if (this.#groups.has(path)) refuse('mkdir(2)', 'EEXIST', path);
    this.#group(posix.dirname(path), 'mkdir(2)').children.add(posix.basename(path));
    this.#make(path);
  }

  #removeDirectory(path: string): void {
    const group = this.#group(path, 'rmdir(2)');
    if (group.children.size > 0 || group.pids.size > 0) refuse('rmdir(2)', 'EBUSY', path);
    this.#groups.delete(path);
    this.#groups.get(posix.dirname(path))?.children.delete(posix.basename(path));
  }

  #read(path: string): string {
    const group = this.#group(posix.dirname(path), 'open(2)');
    const name = posix.basename(path);
    if (name === 'cgroup.procs') return [...group.pids].map((pid) => `${pid}\n`).join('');
    return group.files.get(name) ?? refuse('open(2)', 'ENOENT', path);
  }

  #open(path: string, mode: 'read' | 'write' | 'directory'): number {
    if (mode === 'directory') this.#group(path, 'open(2)');
    else this.#read(path);
    this.open.set(this.#nextFd, path);
    return this.#nextFd++;
  }

  #write(path: string, value: string): void {
    this.#read(path);
    const name = posix.basename(path);
    const errno = this.refusals.get(path) ?? this.refusals.get(name);
    if (errno !== undefined) refuse('write(2)', errno, path);
    this.writes.push(`${path} = ${value}`);
    const directory = posix.dirname(path);
    if (name === 'cgroup.procs') return this.enter(directory, Number(value));
    if (name === 'cgroup.kill') return this.#killTree(directory);
    if (name === 'cgroup.subtree_control') return this.#passOn(directory, value);
    this.set(path, value);
    if (name === 'cgroup.freeze') this.set(posix.join(directory, 'cgroup.events'), `populated 1\nfrozen ${value}\n`);
  }

  #passOn(directory: string, value: string): void {
    const group = this.#group(directory, 'write(2)');
    const isRoot = this.#hierarchies.some(({ mount }) => mount === directory);
    // "No internal processes", cgroup-v2.html.
    if (group.pids.size > 0 && !isRoot) refuse('write(2)', 'EBUSY', directory);
    const before = (group.files.get('cgroup.subtree_control') ?? '').split(' ').filter(Boolean);
    const added = value.split(' ').map((each) => each.replace(/^\+/, ''));
    group.files.set('cgroup.subtree_control', [...new Set([...before, ...added])].join(' '));
    for (const child of group.children) this.#populate(posix.join(directory, child));
  }

  #killTree(directory: string): void {
    this.#killAll(directory);
    for (const child of this.#group(directory, 'write(2)').children) this.#killTree(posix.join(directory, child));
  }

  #killAll(directory: string): void {
    const frozen = this.#groups.get(directory)?.files.get('freezer.state') === 'FROZEN';
    for (const pid of this.#group(directory, 'open(2)').pids) {
      if (frozen || this.immortal.has(pid)) continue;
      for (const { pids } of this.#groups.values()) pids.delete(pid);
    }
  }
}

function mountLine({ version, mount, controllers }: FakeHierarchy): string {
  const kind = version === 2 ? 'cgroup2 cgroup2 rw' : `cgroup cgroup rw,${controllers.join(',')}`;
  return `30 25 0:26 / ${mount} rw,nosuid - ${kind}`;
}

function groupLine({ version, controllers, own = '/' }: FakeHierarchy): string {
  return version === 2 ? `0::${own}` : `5:${controllers.join(',')}:${own}`;
}
