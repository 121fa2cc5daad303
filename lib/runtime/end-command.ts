import { constants } from 'node:os';
import type { KernelSandbox } from '../native/kernel.js';
import type { Command } from './command.js';
import type { Pause } from './pause.js';

/** How long init gets to end its processes by itself before it is killed, and they with it. */
const INIT_PATIENCE_MS = 2000;
/** How long a start may take before what holds it up is killed. */
const START_PATIENCE_MS = 1000;

export interface EndingPlace {
  readonly init: KernelSandbox | undefined;
  readonly pause: Pause;
  readonly isOneShot: boolean;
  readonly isGone: () => boolean;
}

/** Ends every process of a command, and of its sandbox where that does not work. */
export async function endCommand(command: Command, { init, pause, isOneShot, isGone }: EndingPlace): Promise<void> {
  const hasEnded = (): boolean => command.isOver || isGone();
  // A start can be held up: by a signal from another command of the same sandbox, or by a busy machine.
  await pause.within(START_PATIENCE_MS, command.started);
  if (hasEnded()) return;
  // Init kills the rest of a one-shot sandbox itself and reports what it cost.
  if (isOneShot) await init?.signal(command.id, constants.signals.SIGKILL);
  else await command.cgroup.kill();
  await pause.within(INIT_PATIENCE_MS, command.result);
  if (!hasEnded()) await init?.kill();
}
