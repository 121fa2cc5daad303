import { expect, test } from 'vitest';
import { memory } from '../../../lib/cgroup/controllers/memory.js';

function kills(events: string): number | undefined {
  return memory.usage(
    2,
    (file) => (file === 'memory.events' ? events : undefined),
    () => false,
  ).oomKills;
}

test.each([
  ['none', 'oom 0\noom_kill 0\noom_group_kill 0\n', 0],
  ['one process', 'oom 1\noom_kill 1\noom_group_kill 0\n', 1],
  ['a group of one: the kernel counted it twice', 'oom 1\noom_kill 2\noom_group_kill 1\n', 1],
  ['a group of three', 'oom 1\noom_kill 4\noom_group_kill 1\n', 3],
  ['one that was gone before the group was looked at', 'oom 1\noom_kill 1\noom_group_kill 1\n', 1],
  ['a kernel before 5.17, without the last line', 'oom 1\noom_kill 2\n', 2],
])('processes killed for memory on v2: %s', (_, events, expected) => {
  expect(kills(events)).toBe(expected);
});
