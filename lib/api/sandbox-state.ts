import { CloisterError } from '../errors.js';

/** `created` until it is set up; `stopped` when nothing runs any more; `removed` when its name is free again. */
export type SandboxState = 'created' | 'running' | 'paused' | 'stopped' | 'removed';

export interface StatefulSandbox {
  readonly name: string;
  readonly state: SandboxState;
}

/** For what a sandbox cannot do in its state. @param verb - what it was asked for. */
export function wrongState(
  verb: string,
  states: readonly SandboxState[],
  { name, state }: StatefulSandbox,
): CloisterError {
  return new CloisterError(
    'ERR_SANDBOX_STATE',
    `${verb}: expected a sandbox that is ${states.join(' or ')}, ${name} is ${state}`,
    { subject: name, ...(state === 'paused' ? { hint: 'resume it first' } : {}) },
  );
}
