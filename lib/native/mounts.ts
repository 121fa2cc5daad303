import { nativeParts } from './addon.js';
import { callAddon } from './kernel.js';

/**
 * A detached copy of the mounts at a path, open_tree(2).
 *
 * @returns a descriptor, the caller's to close.
 */
export function cloneMount(path: string, recursive: boolean): number {
  return callAddon(() => nativeParts().addon.cloneMount(path, recursive));
}

/**
 * A detached copy of one mount, which may be attached nowhere itself (since Linux 6.15).
 *
 * @returns a descriptor, the caller's to close.
 */
export function cloneMountOf(mount: number): number {
  return callAddon(() => nativeParts().addon.cloneMountOf(mount));
}

/**
 * A new file system that is attached nowhere, fsopen(2) to fsmount(2). No device of it can be used.
 *
 * @param options - as mount(8) takes them; an empty value stands for an option without one.
 * @returns a descriptor, the caller's to close.
 * @throws CloisterError `ERR_KERNEL` naming the option that was refused.
 */
export function newFilesystem(type: string, options: Readonly<Record<string, string>>): number {
  return callAddon(() => nativeParts().addon.newFilesystem(type, Object.entries(options)));
}
