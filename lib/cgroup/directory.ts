import { posix } from 'node:path';
import { CloisterError } from '../errors.js';
import { type CgroupFiles, errnoOf } from './cgroup-files.js';
import type { Step, WriteStep } from './controllers/controller.js';
import { parseCount } from './controllers/controller.js';
import type { PlannedDirectory } from './plan.js';
import type { CgroupTree } from './tree.js';

const INIT = 'init';

interface OpenFile {
  readonly fd: number;
  readonly path: string;
}

/** A group's directory in one tree, with the open file through which processes enter. */
export class GroupDirectory {
  readonly tree: CgroupTree;
  readonly path: string;
  readonly files: CgroupFiles;
  /** Where processes go: `path`, or its `init` (see `PlannedDirectory.hasInit`). */
  readonly entryPath: string;
  /** v1: `tasks`, open for writing. v2: the directory itself, for `CLONE_INTO_CGROUP`. */
  entryFd = -1;
  readonly #readOften = new Map<string, OpenFile>();

  private constructor(parentPath: string, name: string, plan: PlannedDirectory, files: CgroupFiles) {
    this.tree = plan.tree;
    this.path = posix.join(parentPath, name);
    this.files = files;
    this.entryPath = plan.hasInit ? posix.join(this.path, INIT) : this.path;
  }

  /** Makes the directory with its settings. A failure leaves nothing. @throws `ERR_NAME_IN_USE`, `ERR_LIMIT_UNSUPPORTED`, `ERR_KERNEL` */
  static make(parentPath: string, name: string, plan: PlannedDirectory, files: CgroupFiles): GroupDirectory {
    const directory = new GroupDirectory(parentPath, name, plan, files);
    makeFresh(files, directory.path);
    try {
      applySteps(files, directory.path, plan.steps);
      if (plan.passOn.length > 0) directory.passOn(plan.passOn);
      if (plan.hasInit) files.makeDirectory(directory.entryPath);
      directory.#openEntry();
      return directory;
    } catch (error) {
      directory.close();
      directory.removeDirectories();
      throw error;
    }
  }

  passOn(controllers: readonly string[]): void {
    this.files.write(posix.join(this.path, 'cgroup.subtree_control'), controllers.map((name) => `+${name}`).join(' '));
  }

  close(): void {
    if (this.entryFd >= 0) this.files.close(this.entryFd);
    this.entryFd = -1;
    for (const { fd } of this.#readOften.values()) this.files.close(fd);
    this.#readOften.clear();
  }

  /** One attempt, `init` first; what is gone already is fine. @throws `ERR_KERNEL` with errno `EBUSY` while processes or groups are inside */
  removeDirectories(): void {
    for (const path of new Set([this.entryPath, this.path])) {
      try {
        this.files.removeDirectory(path);
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw error;
      }
    }
  }

  read(file: string): string | undefined {
    try {
      return this.files.read(posix.join(this.path, file));
    } catch {
      // A field of a report is unknown then; that the whole group is gone is not a reader's business.
      return undefined;
    }
  }

  /** As `read`, of a file that stays open from then on: to open and close it costs three times as much as to read it. */
  readOften(file: string): string | undefined {
    try {
      const { fd, path } = this.#readOften.get(file) ?? this.#keepOpen(file);
      return this.files.readOpen(fd, path);
    } catch {
      return undefined;
    }
  }

  write(file: string, value: string): void {
    this.files.write(posix.join(this.path, file), value);
  }

  #keepOpen(file: string): OpenFile {
    const path = posix.join(this.path, file);
    const opened = { fd: this.files.open(path, 'read'), path };
    this.#readOften.set(file, opened);
    return opened;
  }

  #openEntry(): void {
    this.entryFd =
      this.tree.version === 1
        ? this.files.open(posix.join(this.entryPath, 'tasks'), 'write')
        : this.files.open(this.entryPath, 'directory');
  }
}

function makeFresh(files: CgroupFiles, path: string): void {
  try {
    files.makeDirectory(path);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    throw new CloisterError('ERR_NAME_IN_USE', `control group ${path} exists already`, { subject: path, cause: error });
  }
}

/** errno values with which the kernel says that it understood the setting and cannot do it here. */
const REFUSALS = new Set(['EINVAL', 'ERANGE', 'ENODEV', 'EOPNOTSUPP', 'ENOSPC', 'ENXIO']);

function explainRefusal(step: WriteStep, error: unknown): unknown {
  const errno = errnoOf(error);
  if (errno === 'EBUSY' && (step.limit === 'memoryBytes' || step.limit === 'swapBytes'))
    return memoryInUse(step.value, error);
  if (errno === undefined || !REFUSALS.has(errno)) return error;
  const reason = error instanceof Error ? error.message : errno;
  return new CloisterError('ERR_LIMIT_UNSUPPORTED', `limit ${step.limit} cannot be enforced: ${reason}`, {
    subject: step.limit,
    errno,
    syscall: 'write(2)',
    hint: `the kernel does not take ${JSON.stringify(step.value)} here: choose a value that exists on this host and fits the groups above`,
    cause: error,
  });
}

function memoryInUse(limit: string, cause?: unknown): CloisterError {
  return new CloisterError('ERR_KERNEL', `memory limit ${limit} is below what the processes use: EBUSY`, {
    syscall: 'write(2)',
    errno: 'EBUSY',
    subject: 'memoryBytes',
    hint: 'choose a higher limit, or stop processes first',
    cause,
  });
}

/** Carries out the steps of a plan in one directory. */
export function applySteps(files: CgroupFiles, path: string, steps: readonly Step[]): void {
  for (const step of steps) {
    const file = posix.join(path, step.file);
    if ('atMost' in step) {
      if ((parseCount(files.read(file)) ?? 0) > step.atMost) throw memoryInUse(String(step.atMost));
      continue;
    }
    try {
      files.write(file, step.value);
    } catch (error) {
      if (step.optional === true && errnoOf(error) === 'ENOENT') continue;
      throw explainRefusal(step, error);
    }
  }
}
