import { CloisterError } from '../errors.js';
import type { RunningSandbox } from '../runtime/sandbox.js';
import type { CommitSpec } from './commit-options.js';
import type { Host } from './host.js';
import { Image } from './image.js';
import type { SandboxState } from './sandbox-state.js';

/** The sandbox that is committed. */
export interface CommittedSandbox {
  readonly id: string;
  readonly state: SandboxState;
  pause(): Promise<void>;
  resume(): Promise<void>;
}

function goneMeanwhile(cause?: unknown): CloisterError {
  return new CloisterError('ERR_SANDBOX_STATE', 'commit: the sandbox ended while its files were read', { cause });
}

/** Commits of one sandbox: one after another, as one that pauses must not be resumed by the other. */
export class SandboxCommits {
  readonly #host: Host;
  readonly #sandbox: CommittedSandbox;
  #last: Promise<unknown> = Promise.resolve();

  constructor(host: Host, sandbox: CommittedSandbox) {
    this.#host = host;
    this.#sandbox = sandbox;
  }

  /**
   * Makes an image of what a sandbox changed.
   *
   * @param running - called when it is this one's turn. @throws what it throws.
   * @throws CloisterError `ERR_UNSUPPORTED` when its changes cannot be told; `ERR_SANDBOX_STATE` when it ends meanwhile; what
   * `commitImage` throws.
   */
  run(spec: CommitSpec, running: () => RunningSandbox): Promise<Image> {
    const commit = this.#last.then(() => this.#commit(spec, running()));
    this.#last = commit.catch(() => undefined);
    return commit;
  }

  async #commit({ pause, ...spec }: CommitSpec, running: RunningSandbox): Promise<Image> {
    const { changes, image } = running;
    if (image === undefined) throw new TypeError('only what is made of an image has changes');
    await using still = await standStill(this.#sandbox, pause);
    const onPacked = async (): Promise<void> => {
      // Its files may have been removed while they were read.
      if (running.isGone) throw goneMeanwhile();
      await still[Symbol.asyncDispose]();
    };
    try {
      const stored = await this.#host.images.commit({ ...spec, base: image.digest, changes, onPacked });
      const committed = Image.of({ host: this.#host, stored });
      const { reference, digest } = committed;
      this.#host.tell('image-committed', { reference, digest, from: this.#sandbox.id });
      return committed;
    } catch (error) {
      // Files that are not there any more are the consequence, not the reason.
      throw running.isGone && CloisterError.is(error) && error.code === 'ERR_KERNEL' ? goneMeanwhile(error) : error;
    }
  }
}

/** Pauses a sandbox that runs, until it is disposed of or somebody else resumes it. */
async function standStill(sandbox: CommittedSandbox, isWanted: boolean): Promise<AsyncDisposable> {
  let isOurs = isWanted && sandbox.state === 'running';
  if (isOurs) await sandbox.pause();
  return {
    [Symbol.asyncDispose]: async () => {
      if (isOurs && sandbox.state === 'paused') await sandbox.resume();
      isOurs = false;
    },
  };
}
