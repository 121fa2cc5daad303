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

/** `undefined`: what the image says. */
export function checkHealth(value: unknown): HealthCheck | 'none' | undefined {
  if (value === undefined || value === 'none') return value;
  const fields = checkObject('health', value, KEYS);
  const command = checkList('health.command', fields['command'], (option, each) => checkText(option, each, ''));
  if (command.length === 0 || command[0] === '') {
    throw invalidOption(
      'health.command',
      "a non-empty array of texts such as ['curl', '-f', 'http://localhost']",
      command,
    );
  }
  const duration = (name: string, absent: number): number => {
    const ms = checkDuration(`health.${name}`, fields[name], absent);
    if (ms < 1 && name !== 'startPeriod') throw invalidOption(`health.${name}`, 'at least 1 ms', fields[name]);
    return ms;
  };
  return {
    command,
    intervalMs: duration('interval', HEALTH_DEFAULTS.intervalMs),
    timeoutMs: duration('timeout', HEALTH_DEFAULTS.timeoutMs),
    startPeriodMs: duration('startPeriod', HEALTH_DEFAULTS.startPeriodMs),
    startIntervalMs: duration('startInterval', HEALTH_DEFAULTS.startIntervalMs),
    retries: checkInteger('health.retries', fields['retries'], [1, 1000], HEALTH_DEFAULTS.retries),
  };
}
