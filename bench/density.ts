import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Sandbox } from 'cloister';
import { median } from './samples.js';

export interface Density {
  readonly count: number;
  /** Host memory for each live sandbox, the kernel's own included. */
  readonly bytesEach: number;
  /** The same, of the last fifth only: it grows with their number, or does not. */
  readonly lastBytesEach: number;
  readonly firstStartMs: number;
  readonly lastStartMs: number;
  /** Of one processor, for one stream of statistics per sandbox with a sample each second. */
  readonly statsCpuShare: number;
}

/** Memory in use that is not a cache of files on a disk. What is in a tmpfs counts. */
function usedBytes(): number {
  const text = readFileSync('/proc/meminfo', 'latin1');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(text)?.[1]) * 1024;
  return field('MemTotal') - field('MemFree') - field('Buffers') - field('Cached') + field('Shmem');
}

async function watchAll(boxes: readonly Sandbox[], seconds: number): Promise<number> {
  const stop = new AbortController();
  const watch = async (box: Sandbox): Promise<void> => {
    const stats = box.stats({ interval: '1s', signal: stop.signal });
    while ((await stats.next()).done !== true);
  };
  const streams = boxes.map(watch);
  await sleep(1500);
  const before = process.cpuUsage();
  await sleep(seconds * 1000);
  const { user, system } = process.cpuUsage(before);
  stop.abort();
  await Promise.race([Promise.all(streams), sleep(2000)]);
  return (user + system) / 1e6 / seconds;
}

/** Looks at memory this often on the way: what another program takes or gives back meanwhile is an outlier to the median. */
const STEPS = 50;

/** Starts sandboxes one after another, looks at what they take, and removes them. */
export async function measureDensity(count: number, statsSeconds: number): Promise<Density> {
  // The first of all starts the launcher and prepares the root.
  await (await Sandbox.create()).remove();
  const boxes: Sandbox[] = [];
  const starts: number[] = [];
  const steps: number[] = [];
  let before = usedBytes();
  while (boxes.length < count) {
    const began = performance.now();
    boxes.push(await Sandbox.create());
    starts.push(performance.now() - began);
    if (boxes.length % (count / STEPS) !== 0) continue;
    const now = usedBytes();
    steps.push((now - before) / (count / STEPS));
    before = now;
  }
  const statsCpuShare = await watchAll(boxes, statsSeconds);
  await Promise.all(boxes.map((box) => box.remove()));
  const some = Math.max(1, Math.floor(count / 10));
  return {
    count,
    bytesEach: median(steps),
    lastBytesEach: median(steps.slice(-STEPS / 5)),
    firstStartMs: median(starts.slice(0, some)),
    lastStartMs: median(starts.slice(-some)),
    statsCpuShare,
  };
}
