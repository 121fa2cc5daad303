import { invalidOption } from '../errors.js';
import type { ConfigChanges } from '../image/config-changes.js';
import type { ImportSource } from '../image/import.js';
import { hostPlatform } from '../image/platform.js';
import { signalNumber } from '../shared/signals.js';
import { checkEnv, checkList, checkObject, checkPath, checkText, checkTexts } from './check.js';
import { BASE_KEYS, checkBase, checkFilePath, checkName, checkPlatform } from './image-options.js';

const CONFIG_KEYS = [
  'entrypoint',
  'cmd',
  'env',
  'user',
  'workingDir',
  'exposedPorts',
  'volumes',
  'labels',
  'stopSignal',
] as const;

function checkSource(value: unknown): ImportSource {
  if (typeof value === 'object' && value !== null && Symbol.asyncIterator in value)
    return value as AsyncIterable<Uint8Array>;
  if (typeof value === 'string') return checkFilePath('source', value);
  throw invalidOption('source', 'a path of a tar archive or a directory, or a stream of bytes', value);
}

function checkWord(option: string, value: unknown): string {
  const text = checkText(option, value, undefined);
  if (text === undefined) throw invalidOption(option, 'a text', value);
  return text;
}

function checkPort(option: string, value: unknown): string {
  const [, port] = /^(\d{1,5})(?:\/(?:tcp|udp|sctp))?$/.exec(checkWord(option, value)) ?? [];
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw invalidOption(option, "a port such as '8080/tcp'", value);
  return String(value);
}

function checkUser(value: unknown): string | undefined {
  const user = checkText('config.user', value, undefined);
  if (user === undefined || /^[^\s:]{1,128}(?::[^\s:]{1,127})?$/.test(user)) return user;
  throw invalidOption('config.user', "'user', 'uid', 'user:group' or 'uid:gid'", value);
}

function checkStopSignal(value: unknown): string | undefined {
  const name = checkText('config.stopSignal', value, undefined);
  if (name === undefined || signalNumber(name) !== undefined) return name;
  throw invalidOption('config.stopSignal', "a signal such as 'SIGTERM'", value);
}

function checkConfig(value: unknown): ConfigChanges {
  if (value === undefined) return {};
  const fields = checkObject('config', value, CONFIG_KEYS);
  const list = <T>(key: string, item: (option: string, each: unknown) => T): readonly T[] | undefined =>
    fields[key] === undefined ? undefined : checkList(`config.${key}`, fields[key], item);
  const { env, workingDir, labels } = fields;
  const changes = {
    entrypoint: list('entrypoint', checkWord),
    cmd: list('cmd', checkWord),
    env: env === undefined ? undefined : checkEnv('config.env', env),
    user: checkUser(fields['user']),
    workingDir: workingDir === undefined ? undefined : checkPath('config.workingDir', workingDir),
    exposedPorts: list('exposedPorts', checkPort),
    volumes: list('volumes', checkPath),
    labels: labels === undefined ? undefined : checkTexts('config.labels', labels),
    stopSignal: checkStopSignal(fields['stopSignal']),
  };
  return Object.fromEntries(Object.entries(changes).filter(([, each]) => each !== undefined));
}

function checkDate(value: unknown): string {
  if (value === undefined) return new Date().toISOString();
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
  throw invalidOption('created', 'a Date', value);
}

export function checkImport(source: unknown, name: unknown, options: unknown) {
  const from = checkSource(source);
  const target = checkName('name', name);
  const base = checkBase(options, undefined, [...BASE_KEYS, 'config', 'platform', 'author', 'comment', 'created']);
  const { fields } = base;
  const { variant, ...machine } = hostPlatform();
  // The processor's own level is what images are chosen by, not what a file system asks for.
  const platform = checkPlatform(fields['platform']) ?? {
    ...machine,
    variant: machine.architecture === 'arm' ? variant : undefined,
  };
  return {
    ...base,
    from,
    target,
    details: {
      platform,
      changes: checkConfig(fields['config']),
      author: checkText('author', fields['author'], undefined),
      comment: checkText('comment', fields['comment'], undefined),
      created: checkDate(fields['created']),
    },
  };
}
