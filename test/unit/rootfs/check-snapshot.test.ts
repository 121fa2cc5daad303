import { expect, test } from 'vitest';
import { checkSnapshot } from '../../../lib/rootfs/check-snapshot.js';
import { refusal } from '../../support/refusal.js';

/** No process has as many. */
const NOT_OPEN = 2 ** 31 - 2;

test.each([
  [undefined],
  [null],
  [[0]],
  [{}],
  [{ kind: 'directory', tree: 0 }],
  [{ kind: 'tree' }],
  [{ kind: 'tree', tree: '0' }],
  [{ kind: 'tree', tree: NOT_OPEN }],
  [{ kind: 'layers', trees: 0 }],
  [{ kind: 'layers', trees: [] }],
  [{ kind: 'layers', trees: [undefined] }],
  [{ kind: 'layers', trees: [0, NaN] }],
  [{ kind: 'layers', trees: [0, -1] }],
  [{ kind: 'layers', trees: [2 ** 32] }],
  [{ kind: 'layers', trees: [0], remove: true }],
])('row %#: no driver may hand over %j', (snapshot) => {
  const error = refusal(() => checkSnapshot(snapshot));
  expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', subject: 'storage.prepare()' });
});

test.each([
  { kind: 'tree', tree: 0 },
  { kind: 'layers', trees: [0, 1], remove: async () => undefined },
])('%j', (snapshot) => {
  expect(checkSnapshot(snapshot)).toBe(snapshot);
});
