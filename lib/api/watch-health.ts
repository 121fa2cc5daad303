import { HealthMonitor } from '../runtime/health.js';
import type { RunningSandbox } from '../runtime/sandbox.js';
import type { SandboxSpec } from '../runtime/spec.js';
import type { Tell } from './command-events.js';
import { checkCommand } from './command-spec.js';

/** Watches over a sandbox as it was asked for, or as its image says; undefined where neither wants it. */
export function watchHealth(
  running: RunningSandbox,
  spec: SandboxSpec,
  { tell, isRunning }: { readonly tell: Tell; readonly isRunning: () => boolean },
): HealthMonitor | undefined {
  const check = spec.health ?? running.image?.defaults.health;
  if (check === undefined || check === 'none' || running.isGone) return undefined;
  return new HealthMonitor({
    check,
    start: ({ command, timeoutMs }) => running.exec(checkCommand(command, {}, spec, timeoutMs)),
    isRunning,
    onChange: (report) => tell('health', report),
  });
}
