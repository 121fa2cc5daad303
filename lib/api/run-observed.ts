import { randomBytes } from 'node:crypto';
import type { Command } from '../runtime/command.js';
import { RunningSandbox } from '../runtime/sandbox.js';
import type { CommandSpec, SandboxSpec } from '../runtime/spec.js';
import type { SandboxEventName, SandboxEvents } from './events.js';
import type { Host } from './host.js';
import { LimitWatcher } from './limit-watcher.js';

/** Runs a command in a sandbox of its own. Nobody holds that: what happens in it is told to the host alone. */
export function runObserved(host: Host, spec: SandboxSpec, commandSpec: CommandSpec): Command {
  const sandbox = randomBytes(6).toString('hex');
  let running: Command | undefined;
  const tell = <Name extends SandboxEventName>(
    type: Name,
    facts: Omit<SandboxEvents[Name], 'time' | 'sandbox'>,
  ): void => {
    if (host.isObserved) host.emit({ type, time: Date.now(), sandbox, ...facts } as never);
  };
  const watcher = new LimitWatcher({
    isObserved: () => host.isObserved,
    read: () => running?.cgroup.usage(),
    emit: tell,
  });
  return RunningSandbox.run(host.services, spec, commandSpec, {
    onCommandStarted(command) {
      running = command;
      watcher.start();
      tell('exec', { command: command.spec.argv, pid: command.pid });
    },
    onCommandEnded(command, result) {
      if (running !== undefined) watcher.stop();
      tell('exec-exit', { command: command.spec.argv, pid: command.pid, result });
    },
  });
}
