import { expect, test, vi } from 'vitest';
import { deferred } from '../../../lib/shared/deferred.js';
import { timerMs, within } from '../../../lib/shared/within.js';

test('times that a timer can wait for', () => {
  const most = 2 ** 31 - 1;
  expect([5, most, most + 1, Infinity].map(timerMs)).toEqual([5, most, most, most]);
});

test('whoever is ready is not waited for', async () => {
  await within(1e9, Promise.resolve(1));
  await within(1e9, Promise.reject(new Error('it is settled all the same')));
});

test('the time is over', async () => {
  await within(1, deferred<void>().promise);
});

test.each([Infinity, 2 ** 31, 1e300])('%d ms is not over at once', async (ms) => {
  const warning = vi.fn();
  process.once('warning', warning);
  const end = deferred<void>();
  let isOver = false;
  const waiting = within(ms, end.promise).then(() => (isOver = true));
  await within(30, deferred<void>().promise);
  expect(isOver).toBe(false);
  end.resolve();
  await waiting;
  process.off('warning', warning);
  expect(warning).not.toHaveBeenCalled();
});
