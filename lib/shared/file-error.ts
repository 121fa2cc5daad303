import { CloisterError } from '../errors.js';

/** `'ENOENT'`; undefined for what is no error of the operating system. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

/** Whether there is no space left, or none that one may use; whoever threw it. */
export function isFull(error: unknown): boolean {
  const errno = CloisterError.is(error) ? error.errno : errnoOf(error);
  return errno === 'ENOSPC' || errno === 'EDQUOT';
}

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space on this file system; what is complete is kept, and the next try goes on from there',
  EDQUOT: 'the disk quota is used up: free some space, or raise it; the next try goes on from what is complete',
  EROFS: 'the file system is read-only: choose another directory as `root` or `stateDir` of the Host',
  EACCES: 'run as a user who may write there, or choose another directory as `root` or `stateDir` of the Host',
  EEXIST:
    'something that is no directory is in the way: remove it, or choose another directory as `root` or `stateDir` of the Host',
  ENOTDIR: 'a file is in the way: remove it, or choose another directory as `root` or `stateDir` of the Host',
};

/**
 * What Node's file functions throw, as `ERR_KERNEL` with the call, its errno and what to do; other errors stay as they are.
 *
 * @param path - Default: what the error says.
 */
export function fileError(error: unknown, path = (error as NodeJS.ErrnoException).path ?? 'file'): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || CloisterError.is(error) || code === undefined || syscall === undefined) return error;
  const hint = HINTS[code];
  return new CloisterError('ERR_KERNEL', `${syscall}(2) ${path}: ${code}`, {
    syscall: `${syscall}(2)`,
    errno: code,
    subject: path,
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Waits for a file operation; undefined when there is no such file. @throws CloisterError `ERR_KERNEL` */
export async function unlessMissing<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw fileError(error);
  }
}
