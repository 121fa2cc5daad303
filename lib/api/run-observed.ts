import { randomBytes } from 'node:crypto';
import type { Command } from '../runtime/command.js';
import { RunningSandbox } from '../runtime/sandbox.js';
import type { CommandSpec, SandboxSpec } from '../runtime/spec.js';
import { CommandEvents, type Tell } from './command-events.js';
import type { Host } from './host.js';

/** Runs a command in a sandbox of its own. Nobody holds that: what happens in it is told to the host alone. */
export function runObserved(host: Host, spec: SandboxSpec, commandSpec: CommandSpec): Command {
  const sandbox = randomBytes(6).toString('hex');
  const tell: Tell = (type, facts) => {
    if (host.isObserved) host.emit({ type, time: Date.now(), sandbox, ...facts } as never);
  };
  const events = new CommandEvents({
    tell,
    isObserved: () => host.isObserved,
    usage: () => (command.hasEntered ? command.cgroup.usage() : undefined),
  });
  const command = RunningSandbox.run(host.services, spec, commandSpec, events);
  return command;
}
