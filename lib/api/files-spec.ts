import { invalidOption } from '../errors.js';
import { parseReference } from '../image/reference.js';
import { parseDigest } from '../shared/digest.js';
import { PULL_POLICIES } from '../runtime/image.js';
import type { MountSpec, SandboxSpec } from '../runtime/spec.js';
import { identityOf } from './image-identity.js';
import { checkBoolean, checkChoice, checkHostPath, checkInteger, checkObject, checkPath, checkSize } from './check.js';

/** Options about a sandbox's files: its root, what changes there, and what is mounted on it. */

const MIB = 2 ** 20;
/** The least that a tmpfs can be limited to: 0 would be no limit, tmpfs(5). */
export const PAGE_BYTES = 4096;
const DEFAULT_DISK_BYTES = 256 * MIB;

/** What a sandbox is made of. */
export function checkImage(value: unknown, policy: unknown): SandboxSpec['image'] {
  const pull = checkChoice('pull', policy, PULL_POLICIES, 'missing');
  if (value === undefined || value === 'host') return { kind: 'host' };
  if (typeof value === 'string') {
    const reference = parseDigest(value) ?? parseReference(value).toString();
    return { kind: 'image', reference, pull };
  }
  if (typeof value !== 'object')
    throw invalidOption('image', "'host', a reference such as 'debian:12', an Image, or { directory }", value);
  const record = identityOf(value)?.record;
  if (record !== undefined) return { kind: 'image', reference: record.reference, manifest: record.manifest, pull };
  const expected = 'a directory of a root file system';
  const { directory } = checkObject('image', value, ['directory']);
  const { path, about } = checkHostPath('image.directory', directory, expected);
  if (!about.isDirectory()) throw invalidOption('image.directory', expected, path);
  return { kind: 'directory', path };
}

/** A mount there would undo what protects the host, CVE-2019-16884. */
const FORBIDDEN_TARGETS = ['/', '/proc', '/sys', '/dev'];

export function checkMount(option: string, value: unknown): MountSpec {
  const mount = checkObject(option, value, ['type', 'source', 'target', 'readonly', 'size', 'mode']);
  const target = checkPath(`${option}.target`, mount['target']);
  if (FORBIDDEN_TARGETS.some((path) => target === path || (path !== '/' && target.startsWith(`${path}/`)))) {
    throw invalidOption(
      `${option}.target`,
      'a path that is not /, /proc, /sys, /dev or below one of the last three',
      target,
    );
  }
  if (checkChoice(`${option}.type`, mount['type'], ['bind', 'tmpfs'], 'bind') === 'tmpfs') {
    const sizeBytes = checkSize(`${option}.size`, mount['size'], 64 * MIB, PAGE_BYTES);
    return {
      kind: 'tmpfs',
      target,
      sizeBytes,
      mode: checkInteger(`${option}.mode`, mount['mode'], [0, 0o7777], 0o1777),
    };
  }
  const { path: source, about } = checkHostPath(`${option}.source`, mount['source'], 'a file or directory of the host');
  const readonly = checkBoolean(`${option}.readonly`, mount['readonly'], false);
  return { kind: 'bind', source, target, readonly, isFile: !about.isDirectory() };
}

/** Where changes to the root go. @param disk - the option `limits.disk`. */
export function checkWritable(value: unknown, disk: unknown): SandboxSpec['writable'] {
  const medium = checkChoice('writable', value, ['memory', 'disk'], 'memory');
  if (medium === 'disk' && disk !== undefined) {
    throw invalidOption('limits.disk', "no size together with writable: 'disk'", disk, "only 'memory' can be limited");
  }
  return {
    medium,
    sizeBytes: checkSize('limits.disk', disk, DEFAULT_DISK_BYTES, PAGE_BYTES),
    isSizeAsked: disk !== undefined,
  };
}
