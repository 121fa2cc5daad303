import { resolve } from 'node:path';
import { invalidOption } from '../errors.js';
import { parsePlatform, type Platform } from '../image/platform.js';
import type { ImageProgress } from '../image/progress.js';
import { parseReference, type Reference } from '../image/reference.js';
import { checkCredentials, type Credentials } from '../image/registry/auth/credentials.js';
import { checkBoolean, checkChoice, checkInteger, checkObject, checkSignal, checkText, checkTexts } from './check.js';
import type { ImageConfigOptions } from './config-spec.js';
import { Host } from './host.js';

/** What every operation on images takes. */
export interface ImageOptions {
  /** Default: `Host.default`; for an `Image`, the host that it is of. */
  host?: Host;
  /** Ends the operation with `ERR_ABORTED`; what it did so far is undone, or goes on at the next try. */
  signal?: AbortSignal;
}

/** How much is done at a time, and who is told. */
export interface ImageTransferOptions extends ImageOptions {
  /** Layers that are transferred at the same time. Default: 3. */
  concurrency?: number;
  /** Told how far each layer is. What it throws ends the operation. */
  onProgress?: (progress: ImageProgress) => void;
}

/** How an image is fetched from its registry. */
export interface ImagePullOptions extends ImageTransferOptions {
  /**
   * As `'linux/arm64'`; default: this machine. `'all'`: everything that the name stands for, for pushing or saving it; what this machine
   * runs of it is unpacked.
   */
  platform?: string;
  /** For this registry, before all other sources of credentials. */
  auth?: Credentials;
  /** `'missing'`: asks no registry when an image of this name and platform is here. Default: `'always'`. */
  policy?: 'always' | 'missing';
}

/** How an image is sent to a registry. */
export interface ImagePushOptions extends ImageTransferOptions {
  /** The name there. Default: its name here. */
  to?: string;
  /** Only the image for this platform. Default: all that are here, as an index if there are several. */
  platform?: string;
  /** For this registry, before all other sources of credentials. */
  auth?: Credentials;
}

/** Which images are listed. */
export interface ImageListOptions extends ImageOptions {
  /** Only those that have all of these. */
  labels?: Readonly<Record<string, string>>;
}

/** How a name of an image is removed. */
export interface ImageRemoveOptions extends ImageOptions {
  /** Also when a sandbox runs the image: what that uses stays until it ends. Default: false. */
  force?: boolean;
}

/** What is removed besides what no name leads to. */
export interface ImagePruneOptions extends ImageOptions {
  /** Images that have a name and that no sandbox runs, too. Default: false. */
  all?: boolean;
}

/** What images are written to. */
export interface ImageSaveOptions extends ImageOptions {
  /** `'oci'` (the default): an OCI image layout. `'docker'`: what `docker load` takes, for one platform. */
  format?: 'oci' | 'docker';
  /** An OCI layout as a directory instead of a tar archive. Default: false. */
  directory?: boolean;
  /** Only the image for this platform. Default: for OCI all that are here, as an index if there are several. */
  platform?: string;
}

/** How images come from an archive. */
export interface ImageLoadOptions extends ImageTransferOptions {
  /** Which image of several for one name is unpacked, as `'linux/arm64'`. Default: this machine's. */
  platform?: string;
  /**
   * For images that the archive names by a tag alone, or not at all: `'me/app'`. Default: `localhost/` and the name of the file.
   * Without a tag the name is by digest.
   */
  repository?: string;
}

/** What an image is that is made of a root file system. */
export interface ImageImportOptions extends ImageOptions {
  /** How it wants to be run. */
  config?: ImageConfigOptions;
  /** As `'linux/arm64'`. Default: this machine. */
  platform?: string;
  author?: string;
  /** For its history. */
  comment?: string;
  /** When it was made. Default: now. */
  created?: Date;
}

export const BASE_KEYS = ['host', 'signal'] as const;
export const TRANSFER_KEYS = [...BASE_KEYS, 'concurrency', 'onProgress'] as const;

type Fields = Readonly<Record<string, unknown>>;

/** @param own - of the image that it is about, if it is given as an object. */
export function checkHost(value: unknown, own?: Host): Host {
  if (value === undefined) return own ?? Host.default;
  if (value instanceof Host) return value;
  throw invalidOption('host', 'a Host', value);
}

export interface BaseSpec {
  readonly host: Host;
  readonly signal: AbortSignal | undefined;
}

export function checkBase(
  options: unknown,
  own?: Host,
  keys: readonly string[] = BASE_KEYS,
): BaseSpec & { fields: Fields } {
  const fields = checkObject('', options ?? {}, keys);
  return { host: checkHost(fields['host'], own), signal: checkSignal('signal', fields['signal']), fields };
}

/** A name for an image to have. */
export function checkName(option: string, value: unknown): Reference {
  if (typeof value !== 'string') throw invalidOption(option, "a name such as 'me/app:1'", value);
  const reference = parseReference(value);
  if (reference.digest === undefined) return reference;
  throw invalidOption(option, 'a name with a tag or without, and no digest', value);
}

export function checkTransfer(fields: Fields): Pick<ImageTransferOptions, 'onProgress' | 'concurrency'> {
  const onProgress = fields['onProgress'];
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw invalidOption('onProgress', 'a function', onProgress);
  const concurrency = checkInteger('concurrency', fields['concurrency'], [1, 64], undefined);
  return {
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(onProgress === undefined ? {} : { onProgress: onProgress as (progress: ImageProgress) => void }),
  };
}

export function checkPlatform(value: unknown): Platform | undefined {
  const text = checkText('platform', value, undefined);
  return text === undefined ? undefined : parsePlatform(text);
}

function checkAuth(value: unknown): Credentials | undefined {
  return value === undefined ? undefined : checkCredentials('auth', value);
}

export function checkPull(reference: unknown, options: unknown) {
  const base = checkBase(options, undefined, [...TRANSFER_KEYS, 'platform', 'auth', 'policy']);
  const { fields } = base;
  return {
    ...base,
    reference: parseReference(reference as string),
    auth: checkAuth(fields['auth']),
    transfer: {
      ...checkTransfer(fields),
      platform: fields['platform'] === 'all' ? ('all' as const) : checkPlatform(fields['platform']),
      policy: checkChoice('policy', fields['policy'], ['always', 'missing'], 'always'),
    },
  };
}

export function checkPush(options: unknown, own: Host | undefined) {
  const base = checkBase(options, own, [...TRANSFER_KEYS, 'to', 'platform', 'auth']);
  const { fields } = base;
  return {
    ...base,
    to: fields['to'] === undefined ? undefined : checkName('to', fields['to']),
    auth: checkAuth(fields['auth']),
    transfer: { ...checkTransfer(fields), platform: checkPlatform(fields['platform']) },
  };
}

/** Relative to the application's working directory, as Node's own functions take it. */
export function checkFilePath(option: string, value: unknown): string {
  const path = checkText(option, value, undefined);
  if (path === undefined || path === '') throw invalidOption(option, 'a path of a file or a directory', value);
  return resolve(path);
}

/** Of an archive or a directory, or the archive itself as it comes. */
export function checkSource(value: unknown): string | AsyncIterable<Uint8Array> {
  if (typeof value === 'object' && value !== null && Symbol.asyncIterator in value)
    return value as AsyncIterable<Uint8Array>;
  if (typeof value === 'string') return checkFilePath('source', value);
  throw invalidOption('source', 'a path of a tar archive or a directory, or a stream of bytes', value);
}

function isWritable(value: unknown): value is NodeJS.WritableStream {
  if (typeof value !== 'object' || value === null) return false;
  // A response of an HTTP server is no `Writable`, and is written to in the same way.
  return ['write', 'end', 'on'].every((name) => typeof Reflect.get(value, name) === 'function');
}

/** Where an archive goes. */
export function checkTarget(value: unknown): string | NodeJS.WritableStream {
  if (isWritable(value)) return value;
  if (typeof value === 'string') return checkFilePath('target', value);
  throw invalidOption('target', 'a path of a file or a directory, or a stream to write to', value);
}

export function checkSave(options: unknown, target: string | NodeJS.WritableStream, own: Host | undefined) {
  const base = checkBase(options, own, [...BASE_KEYS, 'format', 'directory', 'platform']);
  const { fields } = base;
  const format = checkChoice('format', fields['format'], ['oci', 'docker'], 'oci');
  const directory = checkBoolean('directory', fields['directory'], false);
  if (directory && format === 'docker')
    throw invalidOption('directory', "false for the format 'docker', which is an archive", directory);
  if (directory && typeof target !== 'string')
    throw invalidOption('directory', 'false for a stream, which takes an archive', directory);
  return { ...base, format, directory, platform: checkPlatform(fields['platform']) };
}

export function checkLoad(options: unknown) {
  const base = checkBase(options, undefined, [...TRANSFER_KEYS, 'platform', 'repository']);
  const { fields } = base;
  const repository = fields['repository'] === undefined ? undefined : checkName('repository', fields['repository']);
  return { ...base, load: { ...checkTransfer(fields), platform: checkPlatform(fields['platform']), repository } };
}

export function checkList(options: unknown) {
  const base = checkBase(options, undefined, [...BASE_KEYS, 'labels']);
  return { ...base, labels: checkTexts('labels', base.fields['labels']) };
}

export function checkFlag(options: unknown, name: 'force' | 'all', own?: Host) {
  const base = checkBase(options, own, [...BASE_KEYS, name]);
  return { ...base, flag: checkBoolean(name, base.fields[name], false) };
}
