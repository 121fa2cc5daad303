import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync, type BigIntStats } from 'node:fs';
import { join } from 'node:path';

/** All that can be seen of one file, as text; equal texts are equal files. */
export type Tree = Record<string, string>;

const TYPES = new Map([
  [0o140000, 'socket'],
  [0o120000, 'link'],
  [0o100000, 'file'],
  [0o060000, 'block'],
  [0o040000, 'directory'],
  [0o020000, 'char'],
  [0o010000, 'fifo'],
]);

/** Extended attributes by path, `name=hex` each; names below the root, which is the empty one. */
function xattrsOf(root: string): Map<string, string[]> {
  // Deep trees and odd names: getfattr escapes what is no printable ASCII as \ooo.
  const text = execFileSync('getfattr', ['-R', '-P', '-d', '-m', '-', '-h', '-e', 'hex', '.'], {
    cwd: root,
    encoding: 'latin1',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 2 ** 30,
  });
  const found = new Map<string, string[]>();
  for (const block of text.split('\n\n')) {
    const [first, ...rest] = block.split('\n');
    if (first?.startsWith('# file: ') !== true) continue;
    const path = first.slice(8).replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
    found.set(path === '.' ? '' : path, rest.filter((line) => line !== '').sort());
  }
  return found;
}

function contentOf(path: Buffer, info: BigIntStats): string {
  if (info.isFile()) return createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16);
  if (info.isSymbolicLink()) return `-> ${readlinkSync(path, 'latin1')}`;
  if (info.isCharacterDevice() || info.isBlockDevice()) return `dev ${info.rdev}`;
  return '';
}

export interface TreeOptions {
  /** Leave out times of these. */
  readonly withoutTimes?: (path: string, type: string) => boolean;
  /** Leave out extended attributes that this names. */
  readonly withoutXattrs?: (name: string) => boolean;
}

/**
 * Reads everything below a directory, itself included as `''`: type, mode, owner, size, contents, target, device, extended
 * attributes, modification time to the nanosecond, and which names are one file. Paths are latin1: a character is a byte.
 */
export function readTree(root: string, options: TreeOptions = {}): Tree {
  const xattrs = xattrsOf(root);
  const tree: Tree = {};
  const firstNames = new Map<bigint, string>();
  const base = Buffer.from(`${root}/`);
  const visit = (path: string): void => {
    const full = Buffer.concat([base, Buffer.from(path, 'latin1')]);
    const info = lstatSync(full, { bigint: true });
    const type = TYPES.get(Number(info.mode) & 0o170000) ?? 'unknown';
    const names = info.isDirectory() ? readdirSync(full, { encoding: 'latin1' }).sort() : [];
    const first = info.nlink > 1n && !info.isDirectory() ? (firstNames.get(info.ino) ?? path) : '';
    if (first === path) firstNames.set(info.ino, path);
    tree[path] = [
      type,
      (Number(info.mode) & 0o7777).toString(8),
      `${info.uid}:${info.gid}`,
      info.isFile() ? `${info.size} bytes` : '',
      contentOf(full, info),
      options.withoutTimes?.(path, type) === true ? '' : `time ${info.mtimeNs}`,
      first === '' ? '' : `one with ${first}`,
      ...(xattrs.get(path) ?? []).filter((line) => options.withoutXattrs?.(line.split('=')[0] ?? '') !== true),
    ]
      .filter((part) => part !== '')
      .join(' ');
    for (const name of names) visit(path === '' ? name : join(path, name));
  };
  visit('');
  return tree;
}
