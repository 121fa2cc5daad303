import type { Cgroup } from '../cgroup/manager.js';
import { CloisterError } from '../errors.js';
import { deferred } from '../shared/deferred.js';
import { within } from '../shared/within.js';

/** Whether everything in a sandbox stands still. Its init does, too: what it is asked for happens when it goes on. */
export class Pause {
  readonly #ended: Promise<never>;
  readonly #isEnding: () => boolean;
  #over = deferred<void>();
  #isHeld = false;
  #times = 0;

  /**
   * @param gone - resolves when the sandbox has ended, which no freezer waits for.
   * @param isEnding - whether somebody here has asked it to: processes that die are hard to hold.
   */
  constructor(gone: Promise<void>, isEnding: () => boolean) {
    this.#isEnding = isEnding;
    this.#ended = gone.then(() => {
      throw hasEnded();
    });
    this.#ended.catch(() => this.#letGo());
  }

  /**
   * Resolves when everything stands still. A failure leaves nothing standing.
   *
   * @throws CloisterError `ERR_SANDBOX_STATE` when the sandbox ends meanwhile; what `Cgroup.freeze` throws.
   */
  async begin(cgroup: Cgroup): Promise<void> {
    this.#isHeld = true;
    this.#times++;
    try {
      await Promise.race([cgroup.freeze(), this.#ended]);
    } catch (error) {
      this.#letGo();
      throw this.#isEnding() ? hasEnded() : error;
    }
  }

  async end(cgroup: Cgroup): Promise<void> {
    await cgroup.thaw();
    this.#letGo();
  }

  /** Waits for something, no longer than that; as long as everything stands still the time does not count. */
  async within(ms: number, work: Promise<unknown>): Promise<void> {
    let times: number;
    do {
      times = this.#times;
      if (this.#isHeld) await this.#over.promise;
      await within(ms, work);
    } while (this.#isHeld || times !== this.#times);
  }

  #letGo(): void {
    this.#isHeld = false;
    this.#over.resolve();
    this.#over = deferred<void>();
  }
}

const hasEnded = (): CloisterError =>
  new CloisterError('ERR_SANDBOX_STATE', 'the sandbox ended before all of it stood still');
