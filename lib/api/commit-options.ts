import { invalidOption } from '../errors.js';
import type { ConfigChanges } from '../image/change-config.js';
import type { ExposedPort } from '../image/image-config.js';
import { parseReference } from '../image/reference.js';
import { parseUser } from '../runtime/user.js';
import { signalNumber } from '../shared/signals.js';
import {
  checkBoolean,
  checkChoice,
  checkEnv,
  checkList,
  checkObject,
  checkPath,
  checkSignal,
  checkText,
  checkTexts,
} from './check.js';

/** What a sandbox is made an image with. What is left out of how the image is run stays as in the sandbox's own image. */
export interface CommitOptions {
  /** Added to the image's variables; the same name replaces. */
  env?: Readonly<Record<string, string>>;
  entrypoint?: readonly string[];
  /** What runs when no command is given; the arguments of `entrypoint`, if there is one. */
  cmd?: readonly string[];
  /** Path inside. */
  workingDir?: string;
  /** `'uid'`, `'uid:gid'`, `'name'` or `'name:group'`. */
  user?: string;
  /** Added to the image's labels; the same name replaces. */
  labels?: Readonly<Record<string, string>>;
  /** Added to the image's: `8080`, `'53/udp'`. */
  exposedPorts?: readonly (number | string)[];
  /** Added to the image's: directories that every sandbox of it has. */
  volumes?: readonly string[];
  /** What `stop()` sends: `'SIGQUIT'`. */
  stopSignal?: string;
  author?: string;
  /** For the image's history, as `createdBy`. */
  comment?: string;
  /** What changed the files. Default: `'cloister commit'`. */
  createdBy?: string;
  /** How the new layer is stored, and sent to registries. Default: `'gzip'`. */
  compression?: 'gzip' | 'none';
  /** Whether everything in the sandbox stands still while its files are read. Default: true. */
  pause?: boolean;
  /** Ends the commit with `ERR_ABORTED`; there is no new image then. */
  signal?: AbortSignal;
}

const KEYS = [
  'env',
  'entrypoint',
  'cmd',
  'workingDir',
  'user',
  'labels',
  'exposedPorts',
  'volumes',
  'stopSignal',
  'author',
  'comment',
  'createdBy',
  'compression',
  'pause',
  'signal',
] as const;

type Fields = Readonly<Partial<Record<(typeof KEYS)[number], unknown>>>;

export interface CommitSpec {
  /** In full. */
  readonly reference: string;
  readonly config: ConfigChanges;
  readonly author: string | undefined;
  readonly comment: string | undefined;
  readonly createdBy: string | undefined;
  readonly compression: 'gzip' | 'none';
  readonly pause: boolean;
  readonly signal: AbortSignal | undefined;
}

function checkReference(value: unknown): string {
  if (typeof value !== 'string') throw invalidOption('reference', "a name such as 'me/app:1'", value);
  const reference = parseReference(value);
  if (reference.digest === undefined) return reference.toString();
  throw invalidOption('reference', 'a name without a digest, which is known only afterwards', value);
}

function checkPort(option: string, value: unknown): ExposedPort {
  const [, digits, protocol = 'tcp'] = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(String(value)) ?? [];
  const port = Number(digits);
  if (port >= 1 && port <= 65_535) return { port, protocol: protocol as ExposedPort['protocol'] };
  throw invalidOption(option, "a port such as 8080 or '53/udp'", value);
}

function checkWords(option: string, value: unknown): readonly string[] | undefined {
  if (value === undefined) return undefined;
  return checkList(option, value, (at, each) => {
    const text = checkText(at, each, undefined);
    if (text === undefined) throw invalidOption(at, 'a text', each);
    return text;
  });
}

function checkUser(value: unknown): string | undefined {
  if (value === undefined || (typeof value === 'string' && parseUser(value) !== undefined)) return value;
  throw invalidOption('user', "'uid', 'uid:gid', 'name' or 'name:group'", value);
}

function checkStopSignal(value: unknown): string | undefined {
  if (value === undefined || (typeof value === 'string' && signalNumber(value) !== undefined)) return value;
  throw invalidOption('stopSignal', "a signal such as 'SIGQUIT'", value);
}

function checkConfig(fields: Fields): ConfigChanges {
  const unlessAbsent = <T>(value: unknown, check: () => T): T | undefined => (value === undefined ? value : check());
  const { env, labels, exposedPorts, volumes, workingDir } = fields;
  return {
    env: unlessAbsent(env, () => checkEnv('env', env)),
    entrypoint: checkWords('entrypoint', fields.entrypoint),
    cmd: checkWords('cmd', fields.cmd),
    workingDir: unlessAbsent(workingDir, () => checkPath('workingDir', workingDir)),
    user: checkUser(fields.user),
    labels: unlessAbsent(labels, () => checkTexts('labels', labels)),
    exposedPorts: unlessAbsent(exposedPorts, () => checkList('exposedPorts', exposedPorts, checkPort)),
    volumes: unlessAbsent(volumes, () => checkList('volumes', volumes, checkPath)),
    stopSignal: checkStopSignal(fields.stopSignal),
  };
}

/** @throws CloisterError `ERR_INVALID_OPTION`, `ERR_INVALID_REFERENCE` */
export function checkCommit(reference: unknown, options: unknown): CommitSpec {
  const fields: Fields = checkObject('', options, KEYS);
  return {
    reference: checkReference(reference),
    config: checkConfig(fields),
    author: checkText('author', fields.author, undefined),
    comment: checkText('comment', fields.comment, undefined),
    createdBy: checkText('createdBy', fields.createdBy, undefined),
    compression: checkChoice('compression', fields.compression, ['gzip', 'none'], 'gzip'),
    pause: checkBoolean('pause', fields.pause, true),
    signal: checkSignal('signal', fields.signal),
  };
}
