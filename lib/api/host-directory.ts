import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { invalidOption } from '../errors.js';
import { checkPath, lookAt } from './check.js';

/** `/usr/include/linux/magic.h`: a directory there would be something of the kernel's, or cannot be. */
const KERNELS: Readonly<Record<number, string>> = {
  0x9fa0: 'procfs',
  0x62656572: 'sysfs',
  0x27e0eb: 'cgroup',
  0x63677270: 'cgroup2',
};

/** Where a host keeps things: a directory, or where one can be made. Nothing is made here. */
export function checkHostDirectory(option: string, value: unknown, absent: string): string {
  const path = value === undefined ? absent : checkPath(option, value);
  let there = path;
  let about = lookAt(option, there);
  while (about === undefined && there !== '/') {
    there = dirname(there);
    about = lookAt(option, there);
  }
  if (about?.isDirectory() === false) {
    throw invalidOption(option, 'a directory, or where one can be made', path, `${there} is a file`);
  }
  const kernels = KERNELS[statfsSync(there).type];
  if (kernels !== undefined) {
    throw invalidOption(option, 'a directory that keeps files', path, `${there} is the kernel's own: ${kernels}`);
  }
  return path;
}
