/**
 * Pulls one image in a process of its own and tells what it cost. Started by `contenders.ts`.
 *
 * usage: pull-process.js ROOT STATE STORAGE REFERENCE
 */
import { readFileSync } from 'node:fs';
import { Host, Sandbox, type StorageDriver } from 'cloister';
import { delayDuring } from '../event-loop.js';

/** What a pull cost. */
export interface PullCost {
  readonly seconds: number;
  readonly delayP99Ms: number;
  readonly peakBytes: number;
}

const [root = '', stateDir = '', storage, reference = ''] = process.argv.slice(2);
const host = new Host({ root, stateDir, storage: storage as StorageDriver, registries: { useCredentialFiles: false } });
let seconds = 0;
// Whoever wants an image wants to start something of it: one call does both. There is no program in the image, so it is the pull
// that takes the time.
const { p99 } = await delayDuring(async () => {
  const began = performance.now();
  const box = await Sandbox.create({ image: reference, host });
  seconds = (performance.now() - began) / 1000;
  await box.remove();
});
// Not getrusage(2)'s, in which a process begins with the peak of the one that started it.
const [, peakKib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
const cost: PullCost = { seconds, delayP99Ms: p99, peakBytes: Number(peakKib) * 1024 };
process.stdout.write(JSON.stringify(cost));
await host.close();
