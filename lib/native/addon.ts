import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CloisterError } from '../errors.js';
import type { Decompressed, DecompressOptions } from './decompress.js';
import type { Indexed, IndexOptions } from './erofs.js';
import type { UnpackOptions, Unpacked } from './layers.js';
import type { Packed, PackOptions } from './pack.js';

/** Everything the addon exports; `addon/binding/module.cc` is the other end of this list. */
export interface Addon {
  /** Our end first: closed with the thread that asked, should that end without closing it. */
  socketPair(): [number, number];
  close(fd: number): void;
  /** @param isKept - our end goes to no stream: closed with the thread as well. */
  pipe(ours: 'read' | 'write', capacityBytes: number, isKept?: boolean): [number, number];
  cloneMount(path: string, recursive: boolean): number;
  cloneMountOf(mount: number): number;
  newFilesystem(type: string, options: readonly (readonly [string, string])[]): number;
  sealedCopy(path: string): number;
  tryLock(fd: number): boolean;
  lockRange(fd: number, kind: 'shared' | 'exclusive' | 'none', start: number, length: number): boolean;
  send(socket: number, type: number, body: Uint8Array, fds: readonly number[]): boolean;
  receiveFd(socket: number): number;
  openTerminalPeer(master: number): number;
  resizeTerminal(fd: number, columns: number, rows: number): void;
  killMembers(procsFile: string): void;
  attachDeviceFilter(cgroupDirectory: number, program: Uint8Array): void;
  canDecompress(): boolean;
  decompress(input: number, output: number, options: DecompressOptions): Promise<Decompressed>;
  unpackTar(input: number, directory: number, options: Required<UnpackOptions>): Promise<Unpacked>;
  syncFilesystem(fd: number): Promise<void>;
  removeTree(directory: number, name: string): Promise<void>;
  indexTar(archive: number, index: number, options: Required<IndexOptions>, writer?: number): Promise<Indexed>;
  mountErofs(index: number, archive: number, layer: string, attributes: number): Promise<number>;
  packTree(directory: number, output: number, options: Required<PackOptions>): Promise<Packed>;
}

export const ADDON_EXPORTS = [
  'socketPair',
  'close',
  'pipe',
  'cloneMount',
  'cloneMountOf',
  'newFilesystem',
  'sealedCopy',
  'tryLock',
  'lockRange',
  'send',
  'receiveFd',
  'openTerminalPeer',
  'resizeTerminal',
  'killMembers',
  'attachDeviceFilter',
  'canDecompress',
  'decompress',
  'unpackTar',
  'removeTree',
  'indexTar',
  'mountErofs',
  'packTree',
  'syncFilesystem',
] as const satisfies readonly (keyof Addon)[];

export interface NativeParts {
  readonly addon: Addon;
  /** Path of the launcher's program. */
  readonly launcher: string;
}

const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

function platformPackage(): string {
  const report = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return `@cloister/linux-${process.arch}-${report.header.glibcVersionRuntime === undefined ? 'musl' : 'gnu'}`;
}

/** In order; the platform package comes last because finding out the C library takes Node tens of milliseconds. */
function* candidates(): Generator<string> {
  if (process.env['CLOISTER_NATIVE'] !== undefined) yield process.env['CLOISTER_NATIVE'];
  yield join(packageRoot, 'build', 'Release');
  try {
    yield dirname(createRequire(import.meta.url).resolve(`${platformPackage()}/package.json`));
  } catch {
    // Not installed: the error says what to do.
  }
}

function load(): NativeParts {
  const tried: string[] = [];
  for (const directory of candidates()) {
    const addon = join(directory, 'cloister.node');
    const launcher = join(directory, 'cloister-launcher');
    if (existsSync(addon) && existsSync(launcher)) {
      return { addon: createRequire(import.meta.url)(addon) as Addon, launcher };
    }
    tried.push(directory);
  }
  throw new CloisterError('ERR_ADDON_NOT_FOUND', `no native part for linux-${process.arch} in: ${tried.join(', ')}`, {
    hint: `install ${platformPackage()}, or build it, in ${packageRoot}: npm install && npm run build:addon`,
  });
}

let parts: NativeParts | undefined;

/**
 * The native part, loaded at its first use.
 *
 * @throws CloisterError `ERR_ADDON_NOT_FOUND` with the places looked at.
 */
export function nativeParts(): NativeParts {
  return (parts ??= load());
}
