import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Sandbox } from 'cloister';
import { runProgram } from './programs.js';

const RESOLUTION_MS = 1;
const NS_PER_MS = 1e6;

export interface Delay {
  readonly p99: number;
  readonly max: number;
}

/** How long timers were late while `work` went on, in milliseconds. */
export async function delayDuring(work: () => Promise<unknown>): Promise<Delay> {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  // It takes two timers to see what is between them: one before the work and one after it.
  await sleep(5 * RESOLUTION_MS);
  await work();
  await sleep(5 * RESOLUTION_MS);
  delays.disable();
  // What it tells is the time between two timers, not what it is beyond the interval.
  const beyond = (ns: number): number => Math.max(0, ns / NS_PER_MS - RESOLUTION_MS);
  return { p99: beyond(delays.percentile(99)), max: beyond(delays.max) };
}

export type EventLoopDelays = Readonly<Record<'idle' | 'spawn' | 'run' | 'create', Delay>>;

/** The event loop's delay while `count` are started at once. */
export async function measureEventLoop(program: string, image: string, count: number): Promise<EventLoopDelays> {
  const all = (start: () => PromiseLike<unknown>): Promise<unknown> =>
    Promise.all(Array.from({ length: count }, start));
  const boxes: Sandbox[] = [];
  const create = async (): Promise<void> => void boxes.push(await Sandbox.create());
  const delays = {
    idle: await delayDuring(() => sleep(300)),
    spawn: await delayDuring(() => all(() => runProgram([program]))),
    run: await delayDuring(() => all(() => Sandbox.run(['/bin/true'], { image: { directory: image } }))),
    create: await delayDuring(() => all(create)),
  };
  await Promise.all(boxes.map((box) => box.remove()));
  return delays;
}
