import { invalidOption } from '../errors.js';
import type { HealthCheck } from '../runtime/health.js';
import { checkDuration, checkInteger, checkList, checkObject, checkText } from './check.js';

const KEYS = ['command', 'interval', 'timeout', 'startPeriod', 'startInterval', 'retries'] as const;

/** Docker's defaults, Dockerfile reference, HEALTHCHECK. */
export const HEALTH_DEFAULTS = {
  intervalMs: 30_000,
  timeoutMs: 30_000,
  startPeriodMs: 0,
  startIntervalMs: 5_000,
  retries: 3,
} as const satisfies Omit<HealthCheck, 'command'>;

/** What was given of a check, in milliseconds. */
export type GivenHealth = Pick<HealthCheck, 'command'> & {
  readonly [Key in keyof typeof HEALTH_DEFAULTS]: number | undefined;
};

/** @param option - its name in messages. @param mostMs - of each duration. */
export function checkGivenHealth(option: string, value: unknown, mostMs = Infinity): GivenHealth {
  const fields = checkObject(option, value, KEYS);
  const command = checkList(`${option}.command`, fields['command'], (name, each) => checkText(name, each, ''));
  if (command.length === 0 || command[0] === '') {
    throw invalidOption(
      `${option}.command`,
      "a non-empty array of texts such as ['curl', '-f', 'http://localhost']",
      command,
    );
  }
  const duration = (key: string): number | undefined => {
    const name = `${option}.${key}`;
    const ms = checkDuration(name, fields[key], undefined);
    if (ms === undefined) return undefined;
    if (ms < 1 && key !== 'startPeriod') throw invalidOption(name, 'at least 1 ms', fields[key]);
    if (ms > mostMs) throw invalidOption(name, `at most ${mostMs} ms`, fields[key]);
    return ms;
  };
  return {
    command,
    intervalMs: duration('interval'),
    timeoutMs: duration('timeout'),
    startPeriodMs: duration('startPeriod'),
    startIntervalMs: duration('startInterval'),
    retries: checkInteger(`${option}.retries`, fields['retries'], [1, 1000], undefined),
  };
}

/** `undefined`: what the image says. */
export function checkHealth(value: unknown): HealthCheck | 'none' | undefined {
  if (value === undefined || value === 'none') return value;
  const { command, ...given } = checkGivenHealth('health', value);
  return {
    command,
    intervalMs: given.intervalMs ?? HEALTH_DEFAULTS.intervalMs,
    timeoutMs: given.timeoutMs ?? HEALTH_DEFAULTS.timeoutMs,
    startPeriodMs: given.startPeriodMs ?? HEALTH_DEFAULTS.startPeriodMs,
    startIntervalMs: given.startIntervalMs ?? HEALTH_DEFAULTS.startIntervalMs,
    retries: given.retries ?? HEALTH_DEFAULTS.retries,
  };
}
