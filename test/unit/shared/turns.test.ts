import { expect, test } from 'vitest';
import { Turns } from '../../../lib/shared/turns.js';

test('the first passes at once, the others one per turn of the event loop and in order', async () => {
  const turns = new Turns();
  const passed: string[] = [];
  let turn = 0;
  const count = (): void => {
    turn++;
    if (turn < 20) setImmediate(count);
  };
  setImmediate(count);
  const all = ['a', 'b', 'c', 'd'].map((name) => turns.pass().then(() => passed.push(`${name}${turn}`)));
  await Promise.resolve().then(() => undefined);
  expect(passed).toEqual(['a0']);
  await Promise.all(all);
  expect(passed.map((each) => each[0])).toEqual(['a', 'b', 'c', 'd']);
  // No two of them in the same turn.
  expect(new Set(passed.map((each) => each.slice(1))).size).toBe(4);
});

test('after a quiet time the next passes at once again', async () => {
  const turns = new Turns();
  await turns.pass();
  await new Promise((resolve) => setTimeout(resolve, 5));
  let hasPassed = false;
  void turns.pass().then(() => (hasPassed = true));
  await Promise.resolve().then(() => undefined);
  expect(hasPassed).toBe(true);
});
