import { constants } from 'node:os';
import type { Command } from './command.js';
import type { CommandPlace } from './sandbox-commands.js';

/** How long init gets to end its processes by itself before it is killed, and they with it. */
const INIT_PATIENCE_MS = 2000;
/** How long a start may take before what holds it up is killed. */
const START_PATIENCE_MS = 1000;

/** Ends every process of a command, and of its sandbox where that does not work. */
export async function endCommand(command: Command, place: CommandPlace): Promise<void> {
  const { init, pause } = place;
  const hasEnded = (): boolean => command.isOver || place.isGone;
  // A start can be held up: by a signal from another command of the same sandbox, or by a busy machine.
  await pause.within(START_PATIENCE_MS, command.started);
  if (hasEnded()) return;
  // Init kills the rest of a one-shot sandbox itself and reports what it cost.
  if (place.isOneShot) await init?.signal(command.id, constants.signals.SIGKILL);
  else await command.cgroup.kill();
  await pause.within(INIT_PATIENCE_MS, command.result);
  if (!hasEnded()) await init?.kill();
}
