import { CloisterError } from '../errors.js';
import type { RunningSandbox } from '../runtime/sandbox.js';
import type { CommitSpec } from './commit-options.js';
import type { Host } from './host.js';
import { Image } from './image.js';

/** How a sandbox is made to stand still. */
export interface Stillness {
  pause(): Promise<void>;
  /** Undoes `pause`, if nobody else has. */
  resume(): Promise<void>;
}

function goneMeanwhile(cause?: unknown): CloisterError {
  return new CloisterError('ERR_SANDBOX_STATE', 'commit: the sandbox ended while its files were read', { cause });
}

/**
 * Makes an image of what a sandbox changed.
 *
 * @throws CloisterError `ERR_UNSUPPORTED` when its changes cannot be told; `ERR_SANDBOX_STATE` when it ends meanwhile; what
 * `commitImage` throws.
 */
export async function commitSandbox(
  host: Host,
  id: string,
  running: RunningSandbox,
  { pause, ...spec }: CommitSpec,
  still: Stillness,
): Promise<Image> {
  const { changes, image } = running;
  if (image === undefined) throw new TypeError('only what is made of an image has changes');
  if (pause) await still.pause();
  const onPacked = async (): Promise<void> => {
    // Its files may have been removed while they were read.
    if (running.isGone) throw goneMeanwhile();
    await still.resume();
  };
  try {
    const committed = Image.of(host, await host.images.commit({ ...spec, base: image.digest, changes, onPacked }));
    host.tell('image-committed', { reference: committed.reference, digest: committed.digest, from: id });
    return committed;
  } catch (error) {
    // Files that are not there any more are the consequence, not the reason.
    throw running.isGone && CloisterError.is(error) && error.code === 'ERR_KERNEL' ? goneMeanwhile(error) : error;
  } finally {
    await still.resume();
  }
}
