import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openLayer, removeLayer, unpackLayer } from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';
import { rejection } from '../../support/rejection.js';
import { makeScratch } from '../../support/scratch.js';

async function* nothing(): AsyncGenerator<Uint8Array> {
  // An archive without an entry.
}

/** An empty path is the working directory, which nobody wants removed. */
test.each([undefined, null, 7, '', 'a\0b', {}])('%j is no directory of a layer', async (directory) => {
  const wrong = directory as never;
  const errors = [
    refusal(() => openLayer(wrong)),
    await rejection(removeLayer(wrong)),
    await rejection(unpackLayer(nothing(), wrong)),
  ];
  for (const error of errors) expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', subject: 'directory' });
});

test.each([
  ['archive', 'layer.tar', {}],
  ['archive', undefined, {}],
  ['options', nothing(), null],
  ['sync', nothing(), { sync: true }],
  ['signal', nothing(), { signal: 'now' }],
])('a wrong %s is refused before anything is made', async (option, archive, options) => {
  using scratch = makeScratch('driver-tools');
  const directory = `${scratch.path}/tree`;
  const error = await rejection(unpackLayer(archive as never, directory, options as never));
  expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', subject: option });
  expect(existsSync(directory)).toBe(false);
});
