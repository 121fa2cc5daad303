import { describe, expect, test } from 'vitest';
import { CgroupLayout } from '../../../lib/cgroup/layout.js';
import { type PlannedDirectory, planGroup } from '../../../lib/cgroup/plan.js';
import type { CgroupTree } from '../../../lib/cgroup/tree.js';

/** A v2 hierarchy with every controller passed on. */
const unified = {
  version: 2,
  has: () => true,
  isEnabled: (name: string) => name !== 'cpuacct',
  hasFile: () => true,
} as unknown as CgroupTree;
const layout = new CgroupLayout([unified], []);

function written(planned: readonly PlannedDirectory[]): Record<string, string> {
  const steps = planned.flatMap(({ steps }) => steps);
  return Object.fromEntries(steps.flatMap((step) => ('value' in step ? [[step.file, step.value]] : [])));
}

describe('on v2', () => {
  test("a command's own group dies as a whole of a lack of memory", () => {
    expect(written(planGroup(layout, 'command', {}, true))).toMatchObject({ 'memory.oom.group': '1' });
  });

  test('a group that init is in does not: somebody has to tell the end', () => {
    for (const role of ['command', 'sandbox'] as const) {
      expect(written(planGroup(layout, role, { memoryBytes: 1 << 26 }, false))).not.toHaveProperty('memory.oom.group');
    }
  });

  test("a sandbox's group passes controllers on and holds no process itself, a command's does", () => {
    const plans = (['sandbox', 'command'] as const).map((role) => planGroup(layout, role, {}, role === 'command'));
    expect(plans.map(([plan]) => plan?.hasInit)).toEqual([true, false]);
    expect(plans.map(([plan]) => plan?.passOn)).toEqual([['memory', 'pids', 'io'], []]);
  });
});
