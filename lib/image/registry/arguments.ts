import { invalidOption } from '../../errors.js';
import { parseDigest, type Digest } from '../../shared/digest.js';
import {
  checkInteger,
  checkList,
  checkObject,
  checkSignal,
  checkText,
  isPlainObject,
} from '../../shared/option-values.js';
import type { Descriptor } from '../descriptor.js';
import type { BlobPrefix } from './blob-download.js';
import type { UploadOptions } from './blob-upload.js';
import type { ManifestOptions } from './manifests.js';
import { isReference, isRepository, type Reference, type Repository } from '../reference.js';

/** What methods of the client take besides its options. Texts become parts of addresses: a wrong one would ask for something else. */

const FROM_TEXT = 'parseReference() makes one of a text';

/** `registry.example:5000` and nothing more: what is no plain host would end up in another part of the address. */
export function checkHost(option: string, value: unknown): string {
  const isHost = typeof value === 'string' && !/[/?#@\\\s]/.test(value) && URL.canParse(`http://${value}/`);
  if (isHost && new URL(`http://${value}/`).pathname === '/') return value;
  throw invalidOption(option, "a registry such as 'registry.example:5000'", value);
}

export function checkRepository<R extends Repository>(value: R): R {
  if (isPlainObject(value) && isRepository(value)) return value;
  throw invalidOption('repository', 'a reference, or { registry, repository }', value, FROM_TEXT);
}

export function checkReference(value: Reference): Reference {
  if (isPlainObject(value) && isReference(value)) return value;
  throw invalidOption('reference', 'a reference', value, FROM_TEXT);
}

export function checkDigest(option: string, value: unknown): Digest {
  const digest = parseDigest(value);
  if (digest === undefined) throw invalidOption(option, "a digest such as 'sha256:…', complete", value);
  return digest;
}

/** Only what is needed to find its bytes. */
export function checkDescriptor<D extends Pick<Descriptor, 'digest' | 'size'>>(option: string, value: D): D {
  if (!isPlainObject(value)) throw invalidOption(option, 'a descriptor', value);
  checkDigest(`${option}.digest`, value.digest);
  if (Number.isSafeInteger(value.size) && value.size >= 0) return value;
  throw invalidOption(`${option}.size`, 'a whole number of bytes', value.size);
}

/** Of methods that take nothing else. */
export function signalOf(options: unknown, ...more: readonly string[]): AbortSignal | undefined {
  return checkSignal('signal', checkObject('', options, ['signal', ...more])['signal']);
}

export function checkBytes(option: string, value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw invalidOption(option, 'bytes, as a Uint8Array', value);
}

export function checkManifestOptions(options: ManifestOptions): void {
  signalOf(options, 'accept', 'expected');
  checkList('accept', options.accept, (option, value) => {
    // It is a header's, RFC 9110 12.5.1.
    if (typeof value !== 'string' || !/^[\x20-\x7e]+$/.test(value)) throw invalidOption(option, 'a media type', value);
  });
  if (options.expected !== undefined) checkDescriptor('expected', options.expected);
}

export function checkUpload(open: unknown, options: UploadOptions): void {
  if (typeof open !== 'function') throw invalidOption('open', 'a function that opens the bytes', open);
  signalOf(options, 'mountFrom', 'method', 'chunkBytes', 'onProgress');
  const { mountFrom, method, chunkBytes, onProgress } = options;
  checkText('mountFrom', mountFrom, undefined);
  if (method !== undefined && !['whole', 'single', 'chunks'].includes(method))
    throw invalidOption('method', "'whole', 'single' or 'chunks'", method);
  checkInteger('chunkBytes', chunkBytes, [1, Number.MAX_SAFE_INTEGER], undefined);
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw invalidOption('onProgress', 'a function', onProgress);
}

export function checkPrefix(from: BlobPrefix | undefined, size: number): void {
  if (from === undefined) return;
  const { offset, hash } = checkObject('from', from, ['offset', 'hash', 'isKept']);
  checkInteger('from.offset', offset ?? null, [0, size], 0);
  if (typeof (hash as BlobPrefix['hash'] | undefined)?.copy !== 'function')
    throw invalidOption('from.hash', "a hash of node:crypto's, of the bytes before", hash);
}
