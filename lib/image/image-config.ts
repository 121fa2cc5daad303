import { posix } from 'node:path';
import type { Digest } from '../shared/digest.js';
import { platformOf } from './descriptor.js';
import { parseExposedPorts, type ExposedPort } from './exposed-ports.js';
import { parseHealthcheck, type Healthcheck } from './healthcheck.js';
import {
  asDigest,
  asList,
  asObject,
  asOptionalText,
  asText,
  asTextMap,
  asTexts,
  own,
  parseJson,
  refuse,
  type Fields,
} from './json-fields.js';
import type { Platform } from './platform.js';

/** Also the bound of each text that an image may make as long as it likes. */
export const MAX_CONFIG_BYTES = 8 * 2 ** 20;
const MAX_ITEMS = 4096;
const MAX_LAYERS = 1024;

/** One step of how an image was made. */
export interface HistoryEntry {
  /** As it was written, RFC 3339. */
  readonly created: string | undefined;
  readonly createdBy: string | undefined;
  readonly author: string | undefined;
  readonly comment: string | undefined;
  /** The step changed no file: there is no layer of it. */
  readonly isEmptyLayer: boolean;
}

/**
 * How an image wants to be run, and what it is made of. Frozen.
 * @see https://github.com/opencontainers/image-spec/blob/main/config.md
 */
export interface ImageConfig {
  readonly platform: Platform;
  readonly created: string | undefined;
  readonly author: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** Undefined is not given; an empty list was given as one. */
  readonly entrypoint: readonly string[] | undefined;
  readonly cmd: readonly string[] | undefined;
  /** What runs a command that is one text: a health check's. Undefined is `/bin/sh -c`. */
  readonly shell: readonly string[] | undefined;
  /** `user`, `uid`, `user:group`, `uid:gid`; to be looked up in the image. Undefined is root. */
  readonly user: string | undefined;
  /** Absolute, without `..`. */
  readonly workingDir: string;
  readonly exposedPorts: readonly ExposedPort[];
  /** Absolute, without `..`; may go through links of the image all the same. */
  readonly volumes: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** `SIGQUIT`, `SIGRTMIN+3`, `15`. */
  readonly stopSignal: string | undefined;
  readonly healthcheck: Healthcheck | undefined;
  /** Digests of the uncompressed layers, bottom first. */
  readonly diffIds: readonly Digest[];
  readonly history: readonly HistoryEntry[];
}

/** Entries without `=` set nothing; the last of two wins. */
function parseEnv(where: string, value: unknown): Readonly<Record<string, string>> {
  const entries = asTexts(where, value, MAX_ITEMS, MAX_CONFIG_BYTES).flatMap((text) => {
    const [, name, content] = /^([^=]+)=([\s\S]*)$/.exec(text) ?? [];
    return name === undefined || content === undefined ? [] : [[name, content] as const];
  });
  return Object.freeze(Object.fromEntries(entries));
}

/** Docker writes one text for a list of one, and reads it so. */
function parseCommand(where: string, value: unknown): readonly string[] | undefined {
  if (value === undefined) return undefined;
  return asTexts(where, typeof value === 'string' ? [value] : value, MAX_ITEMS, MAX_CONFIG_BYTES);
}

function parsePath(where: string, value: unknown): string {
  return posix.resolve('/', asText(where, value, 4096));
}

function keysOf(where: string, value: unknown): readonly string[] {
  const keys = value === undefined ? [] : Object.keys(asObject(where, value));
  return keys.length <= MAX_ITEMS ? keys : refuse(where, `at most ${MAX_ITEMS} fields`, keys.length);
}

function parseStopSignal(where: string, value: unknown): string | undefined {
  const text = asOptionalText(where, value, 32);
  if (text === undefined || text === '') return undefined;
  if (/^(?:(?:SIG)?[A-Z][A-Z0-9]*(?:[+-]\d{1,2})?|\d{1,2})$/i.test(text)) return text;
  return refuse(where, "a signal such as 'SIGTERM' or '15'", text);
}

function parseHistory(where: string, value: unknown): readonly HistoryEntry[] {
  const entries = asList(where, value, MAX_ITEMS).map((each, index) => {
    const at = `${where}[${index}]`;
    const fields = asObject(at, each);
    return Object.freeze({
      created: asOptionalText(`${at}.created`, own(fields, 'created')),
      createdBy: asOptionalText(`${at}.created_by`, own(fields, 'created_by'), 2 ** 20),
      author: asOptionalText(`${at}.author`, own(fields, 'author')),
      comment: asOptionalText(`${at}.comment`, own(fields, 'comment'), 2 ** 20),
      isEmptyLayer: own(fields, 'empty_layer') === true,
    });
  });
  return Object.freeze(entries);
}

function parseDiffIds(where: string, value: unknown): readonly Digest[] {
  const fields = asObject(where, value);
  const type = own(fields, 'type');
  if (type !== 'layers') refuse(`${where}.type`, "'layers'", type);
  const list = asList(`${where}.diff_ids`, own(fields, 'diff_ids'), MAX_LAYERS);
  return Object.freeze(list.map((each, index) => asDigest(`${where}.diff_ids[${index}]`, each)));
}

function parseRun(where: string, fields: Fields) {
  const volumes = keysOf(`${where}.Volumes`, own(fields, 'Volumes'));
  const ports = keysOf(`${where}.ExposedPorts`, own(fields, 'ExposedPorts'));
  const shell = asTexts(`${where}.Shell`, own(fields, 'Shell'), MAX_ITEMS);
  const user = asOptionalText(`${where}.User`, own(fields, 'User'), 256);
  return {
    env: parseEnv(`${where}.Env`, own(fields, 'Env')),
    entrypoint: parseCommand(`${where}.Entrypoint`, own(fields, 'Entrypoint')),
    cmd: parseCommand(`${where}.Cmd`, own(fields, 'Cmd')),
    shell: shell.length === 0 ? undefined : shell,
    user: user === '' ? undefined : user,
    workingDir: parsePath(`${where}.WorkingDir`, own(fields, 'WorkingDir') ?? '/'),
    exposedPorts: parseExposedPorts(`${where}.ExposedPorts`, ports),
    volumes: Object.freeze([...new Set(volumes.map((path) => parsePath(`${where}.Volumes`, path)))]),
    labels: asTextMap(`${where}.Labels`, own(fields, 'Labels'), MAX_ITEMS, MAX_CONFIG_BYTES),
    stopSignal: parseStopSignal(`${where}.StopSignal`, own(fields, 'StopSignal')),
    healthcheck: parseHealthcheck(`${where}.Healthcheck`, own(fields, 'Healthcheck')),
  };
}

/**
 * Reads the configuration of an image, OCI's or Docker's.
 *
 * @param layers - how many layers the manifest has; the configuration must speak of as many.
 * @param subject - for messages: the image's name.
 * @throws CloisterError `ERR_IMAGE_INVALID`, naming the field.
 */
export function parseImageConfig(bytes: Uint8Array, layers: number, subject = 'image configuration'): ImageConfig {
  const fields = parseJson(subject, bytes, MAX_CONFIG_BYTES);
  const diffIds = parseDiffIds(`${subject}.rootfs`, own(fields, 'rootfs'));
  if (diffIds.length !== layers)
    refuse(`${subject}.rootfs.diff_ids`, `${layers}, one for each layer of the manifest`, diffIds.length);
  const history = parseHistory(`${subject}.history`, own(fields, 'history'));
  const changes = history.filter(({ isEmptyLayer }) => !isEmptyLayer).length;
  // Fewer are seen: tools that write no history, or only of their own layers.
  if (changes > layers) refuse(`${subject}.history`, `at most ${layers} steps with a layer`, changes);
  return Object.freeze({
    platform: platformOf(subject, fields),
    created: asOptionalText(`${subject}.created`, own(fields, 'created')),
    author: asOptionalText(`${subject}.author`, own(fields, 'author')),
    ...parseRun(`${subject}.config`, asObject(`${subject}.config`, own(fields, 'config') ?? {})),
    diffIds,
    history,
  });
}
