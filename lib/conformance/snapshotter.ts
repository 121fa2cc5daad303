import assert from 'node:assert/strict';
import type { Snapshotter } from '../shared/snapshotter.js';
import { withBench } from './bench.js';
import { HOSTILE_CASES } from './hostile-layers.js';
import { LIFECYCLE_CASES } from './layer-lifecycle.js';
import { ROOT_CASES } from './root-file-systems.js';

/** One promise of the interface, for any test runner: a rejection is a failure. */
export interface ConformanceCase {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/**
 * Everything that {@link Snapshotter} promises, as cases for any test runner. They need root, and the programs `sh`, `stat`
 * and `find` on the host.
 *
 * @param open - makes the driver on a directory that may not exist yet; called several times for the same one.
 * @example
 * ```ts
 * import { test } from 'vitest';
 * import { snapshotterConformance } from 'cloister/conformance';
 *
 * for (const { name, run } of snapshotterConformance((directory) => new MySnapshotter(directory))) test(name, run);
 * ```
 */
export function snapshotterConformance(open: (directory: string) => Snapshotter): readonly ConformanceCase[] {
  const usable: ConformanceCase = {
    name: 'a driver that works here says so',
    run: () => withBench(open, async ({ driver }) => assert.equal(await driver.probe(), undefined)),
  };
  const cases = [...LIFECYCLE_CASES, ...HOSTILE_CASES, ...ROOT_CASES];
  return [usable, ...cases.map(([name, run]) => ({ name, run: () => withBench(open, run) }))];
}
