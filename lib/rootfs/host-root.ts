import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { HostResolver } from './host-resolver.js';
import { GENERATED_ETC, HOST_ETC, SKELETON, TOP_LEVEL_TREES } from './host-files.js';
import { fileError } from '../shared/file-error.js';
import { makeDirectory } from '../shared/make-directory.js';

/** The host's own programs as a root file system. */
export interface HostRoot {
  /** A directory with everything but the trees: mount points, links, `/etc`. */
  readonly skeleton: string;
  /** Directories of the host that appear under the same path. */
  readonly trees: readonly string[];
}

type Entry =
  | { readonly kind: 'file' | 'directory'; readonly path: string; readonly mode: number; readonly stamp: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

/** Everything below `/etc/<name>` that any user may read; `path` is below `/etc`. */
function* readable(path: string): Generator<Entry> {
  const about = lstatSync(join('/etc', path), { throwIfNoEntry: false });
  if (about === undefined) return;
  if (about.isSymbolicLink()) {
    yield { kind: 'link', path, target: readlinkSync(join('/etc', path)) };
  } else if (about.isDirectory() && (about.mode & 0o005) === 0o005) {
    yield { kind: 'directory', path, mode: about.mode & 0o7777, stamp: '' };
    for (const name of readdirSync(join('/etc', path)).sort()) yield* readable(join(path, name));
  } else if (about.isFile() && (about.mode & 0o004) !== 0) {
    yield { kind: 'file', path, mode: about.mode & 0o777, stamp: `${about.size} ${about.mtimeMs} ${about.ino}` };
  }
}

function topLevel(): { links: [string, string][]; trees: string[] } {
  const links: [string, string][] = [];
  const trees = ['/usr'];
  for (const name of TOP_LEVEL_TREES) {
    const about = lstatSync(`/${name}`, { throwIfNoEntry: false });
    if (about?.isSymbolicLink() === true) links.push([name, readlinkSync(`/${name}`)]);
    else if (about?.isDirectory() === true) trees.push(`/${name}`);
  }
  return { links, trees };
}

function writeEntry(etc: string, entry: Entry): void {
  const target = join(etc, entry.path);
  mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
  if (entry.kind === 'link') return symlinkSync(entry.target, target);
  if (entry.kind === 'directory') mkdirSync(target, { recursive: true });
  else copyFileSync(join('/etc', entry.path), target);
  chmodSync(target, entry.mode);
}

interface SkeletonParts {
  readonly entries: readonly Entry[];
  /** Text by name in `/etc`. */
  readonly generated: Readonly<Record<string, string>>;
  readonly links: readonly [string, string][];
  readonly trees: readonly string[];
}

function writeSkeleton(root: string, { entries, generated, links, trees }: SkeletonParts): void {
  chmodSync(root, 0o755);
  for (const { path, mode, owner } of SKELETON) {
    mkdirSync(join(root, path));
    chmodSync(join(root, path), mode);
    if (owner !== undefined) chownSync(join(root, path), owner, owner);
  }
  for (const tree of trees) mkdirSync(join(root, tree), { recursive: true });
  for (const [name, target] of links) symlinkSync(target, join(root, name));
  for (const entry of entries) writeEntry(join(root, 'etc'), entry);
  for (const [name, text] of Object.entries(generated)) {
    writeFileSync(join(root, 'etc', name), text);
    chmodSync(join(root, 'etc', name), 0o644);
  }
  symlinkSync('/proc/self/mounts', join(root, 'etc/mtab'));
}

function makeDraft(directory: string): string {
  try {
    return mkdtempSync(join(directory, 'draft-'));
  } catch (error) {
    throw fileError(error, directory);
  }
}

/**
 * Makes the skeleton for the host as it is now, or finds the one made before. Its name is a digest of what it was
 * made from, so an update of the host makes a new one and running sandboxes keep theirs.
 *
 * @param directory - where skeletons are kept; written by several processes at once without harm.
 * @param resolver - texts in the place of what is generated, see `hostResolver`.
 */
export function prepareHostRoot(directory: string, resolver: HostResolver = {}): HostRoot {
  const { links, trees } = topLevel();
  const entries = HOST_ETC.flatMap((name) => [...readable(name)]);
  const generated = { ...GENERATED_ETC, ...resolver };
  const version = JSON.stringify([entries, links, trees, generated, SKELETON]);
  const digest = createHash('sha256').update(version).digest('hex').slice(0, 32);
  const skeleton = join(directory, digest);
  if (existsSync(skeleton)) return { skeleton, trees };
  makeDirectory(directory, 0o711);
  const draft = makeDraft(directory);
  try {
    writeSkeleton(draft, { entries, generated, links, trees });
    renameSync(draft, skeleton);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    // Another process was faster: its result is as good, renaming onto a directory that is not empty fails.
    if (!existsSync(skeleton)) throw fileError(error, skeleton);
  }
  return { skeleton, trees };
}
