import {
  chownSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmdirSync,
  writeSync,
} from 'node:fs';
import { CloisterError } from '../errors.js';

/**
 * The file calls that control groups are made of. All synchronous: each takes microseconds, a thread pool would cost more.
 * A failure is a `CloisterError` with `syscall`, `errno` and the path as `subject`.
 */
export interface CgroupFiles {
  makeDirectory(path: string): void;
  removeDirectory(path: string): void;
  /** Writes to a file that exists. */
  write(path: string, value: string): void;
  read(path: string): string;
  /** From its beginning, whatever was read of it before. @param fd - opened for `'read'`. */
  readOpen(fd: number, path: string): string;
  open(path: string, mode: 'read' | 'write' | 'directory'): number;
  /** Gives a file to a user; its group stays. */
  chown(path: string, uid: number): void;
  close(fd: number): void;
  /** Names of the directories in a directory. */
  list(path: string): string[];
}

const chunk = Buffer.allocUnsafeSlow(16_384);

/** Reads without a stat first: a control file has no size, and one read holds almost every one of them. */
function readAll(fd: number): string {
  let text = '';
  for (;;) {
    const length = readSync(fd, chunk, 0, chunk.length, text.length);
    text += chunk.toString('latin1', 0, length);
    if (length === 0 || (length < chunk.length && text.endsWith('\n'))) return text;
  }
}

function attempt<T>(syscall: string, path: string, action: () => T, value?: string): T {
  try {
    return action();
  } catch (error) {
    throw kernelError(syscall, path, error, value);
  }
}

/** Wraps what `node:fs` threw; the errno decides between a missing right and any other refusal. */
function kernelError(syscall: string, path: string, cause: unknown, value?: string): CloisterError {
  const errno = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
  const isDenied = errno === 'EACCES' || errno === 'EPERM' || errno === 'EROFS';
  const written = value === undefined ? '' : ` (value ${JSON.stringify(value)})`;
  return new CloisterError(isDenied ? 'ERR_PERMISSION' : 'ERR_KERNEL', `${syscall} ${path}: ${errno}${written}`, {
    syscall,
    errno,
    subject: path,
    cause,
  });
}

/** The errno of a failed call, undefined for any other exception. */
export function errnoOf(error: unknown): string | undefined {
  return CloisterError.is(error) ? error.errno : undefined;
}

const FLAGS = {
  read: constants.O_RDONLY,
  write: constants.O_WRONLY,
  directory: constants.O_RDONLY | constants.O_DIRECTORY,
} as const;

export const kernelCgroupFiles: CgroupFiles = {
  makeDirectory: (path) => attempt('mkdir(2)', path, () => mkdirSync(path, 0o755)),
  removeDirectory: (path) => attempt('rmdir(2)', path, () => rmdirSync(path)),
  write(path, value) {
    const fd = this.open(path, 'write');
    try {
      // One write(2) is one setting: the kernel parses each call by itself.
      attempt('write(2)', path, () => void writeSync(fd, value), value);
    } finally {
      closeSync(fd);
    }
  },
  read(path) {
    const fd = this.open(path, 'read');
    try {
      return this.readOpen(fd, path);
    } finally {
      closeSync(fd);
    }
  },
  readOpen: (fd, path) => attempt('pread(2)', path, () => readAll(fd)),
  open(path, mode) {
    // Neither O_CREAT nor O_TRUNC: a missing control file shall be ENOENT. libuv adds O_CLOEXEC.
    const flags = FLAGS[mode];
    return attempt('open(2)', path, () => openSync(path, flags));
  },
  chown: (path, uid) => attempt('chown(2)', path, () => chownSync(path, uid, -1 >>> 0)),
  close: (fd) => closeSync(fd),
  list: (path) =>
    attempt('readdir(3)', path, () => readdirSync(path, { withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name),
};
