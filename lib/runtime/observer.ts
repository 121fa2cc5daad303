import type { Command } from './command.js';
import type { CommandResult } from './result.js';

/** What the layer above wants to hear. */
export interface SandboxObserver {
  onCommandStarted?(command: Command): void;
  onCommandEnded?(command: Command, result: CommandResult<string | Uint8Array>): void;
  onGone?(): void;
}
