import { expect, test } from 'vitest';
import { Sandbox } from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';

test.each([
  [null, 'labels'],
  ['a', 'labels'],
  [{ a: null }, 'labels.a'],
])('labels to look for: %j', (labels, subject) => {
  const error = refusal(() => Sandbox.list({ labels: labels as never }));
  expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', subject });
});
