import type { Healthcheck } from '../image/healthcheck.js';
import type { ImageConfig } from '../image/image-config.js';
import type { HealthCheck } from '../runtime/health.js';
import type { ImageDefaults } from '../runtime/image.js';
import { HEALTH_DEFAULTS } from './health-spec.js';

/** What a `CMD-SHELL` check is run by where the image has no shell of its own; Dockerfile reference, SHELL and HEALTHCHECK. */
const SHELL: readonly string[] = ['/bin/sh', '-c'];

function healthOf(check: Healthcheck | undefined, shell = SHELL): HealthCheck | undefined {
  if (check === undefined || check.kind === 'none') return undefined;
  return {
    command: check.kind === 'shell' ? [...shell, ...check.command] : check.command,
    intervalMs: check.intervalMs ?? HEALTH_DEFAULTS.intervalMs,
    timeoutMs: check.timeoutMs ?? HEALTH_DEFAULTS.timeoutMs,
    startPeriodMs: check.startPeriodMs ?? HEALTH_DEFAULTS.startPeriodMs,
    startIntervalMs: check.startIntervalMs ?? HEALTH_DEFAULTS.startIntervalMs,
    retries: check.retries ?? HEALTH_DEFAULTS.retries,
  };
}

/**
 * `ENTRYPOINT [""]` takes away that of the image below.
 * @see https://github.com/moby/moby/blob/master/daemon/create.go, mergeAndVerifyConfig
 */
function entrypointOf({ entrypoint = [] }: ImageConfig): readonly string[] {
  return entrypoint.length === 1 && entrypoint[0] === '' ? [] : entrypoint;
}

/** An image's configuration as the runtime takes it. */
export function toImageDefaults(config: ImageConfig): ImageDefaults {
  return {
    env: config.env,
    cwd: config.workingDir,
    user: config.user ?? '',
    entrypoint: entrypointOf(config),
    cmd: config.cmd ?? [],
    // The root of a sandbox is its own anyway.
    volumes: config.volumes.filter((path) => path !== '/'),
    stopSignal: config.stopSignal,
    health: healthOf(config.healthcheck, config.shell),
  };
}
