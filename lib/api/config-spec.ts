import { invalidOption } from '../errors.js';
import type { ConfigChanges } from '../image/config-changes.js';
import type { ExposedPort } from '../image/exposed-ports.js';
import { MAX_HEALTH_MS, NO_HEALTHCHECK, type Healthcheck } from '../image/healthcheck.js';
import { parseUser } from '../runtime/user.js';
import { signalFromText } from '../shared/signals.js';
import { checkEnv, checkList, checkPath, checkText, checkTexts } from './check.js';
import { checkGivenHealth } from './health-spec.js';
import type { HealthOptions } from './options.js';

/** How an image that is made here wants to be run. What is left out is as in the image below, or not said. */
export interface ImageConfigOptions {
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
  /**
   * How its sandboxes' health is found out, instead of the image's way; times that are left out are the runtime's choice.
   * `'none'`: not at all, also where the image says how. As the Dockerfile's HEALTHCHECK.
   */
  health?: HealthOptions | 'none';
}

export const CONFIG_KEYS = [
  'env',
  'entrypoint',
  'cmd',
  'workingDir',
  'user',
  'labels',
  'exposedPorts',
  'volumes',
  'stopSignal',
  'health',
] as const;

function checkPort(option: string, value: unknown): ExposedPort {
  const [, digits, protocol = 'tcp'] = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(String(value)) ?? [];
  const port = Number(digits);
  if (port >= 1 && port <= 65_535) return { port, protocol: protocol as ExposedPort['protocol'] };
  throw invalidOption(option, "a port such as 8080 or '53/udp'", value);
}

function checkWord(option: string, value: unknown): string {
  const text = checkText(option, value, undefined);
  if (text === undefined) throw invalidOption(option, 'a text', value);
  return text;
}

function checkUser(option: string, value: unknown): string {
  if (typeof value === 'string' && parseUser(value) !== undefined) return value;
  throw invalidOption(option, "'uid', 'uid:gid', 'name' or 'name:group'", value);
}

function checkStopSignal(option: string, value: unknown): string {
  if (typeof value === 'string' && signalFromText(value) !== undefined) return value;
  throw invalidOption(option, "a signal such as 'SIGQUIT' or '3'", value);
}

function checkHealthcheck(option: string, value: unknown): Healthcheck {
  if (value === 'none') return NO_HEALTHCHECK;
  return { kind: 'exec', ...checkGivenHealth(option, value, MAX_HEALTH_MS) };
}

/** @param prefix - of the options' names in messages: `'config.'`, or nothing. @throws CloisterError `ERR_INVALID_OPTION` */
export function checkImageConfig(prefix: string, fields: Readonly<Record<string, unknown>>): ConfigChanges {
  const field = <T>(key: (typeof CONFIG_KEYS)[number], check: (option: string, value: unknown) => T): T | undefined =>
    fields[key] === undefined ? undefined : check(`${prefix}${key}`, fields[key]);
  const listOf =
    <T>(check: (option: string, value: unknown) => T) =>
    (option: string, value: unknown): readonly T[] =>
      checkList(option, value, check);
  return {
    env: field('env', checkEnv),
    entrypoint: field('entrypoint', listOf(checkWord)),
    cmd: field('cmd', listOf(checkWord)),
    workingDir: field('workingDir', checkPath),
    user: field('user', checkUser),
    labels: field('labels', checkTexts),
    exposedPorts: field('exposedPorts', listOf(checkPort)),
    volumes: field('volumes', listOf(checkPath)),
    stopSignal: field('stopSignal', checkStopSignal),
    healthcheck: field('health', checkHealthcheck),
  };
}
