import { expect, test } from 'vitest';
import { readSource } from '../../../lib/image/byte-source.js';

test('chunks that were read are not kept', async () => {
  const source = async function* (): AsyncGenerator<Uint8Array> {
    for (let sent = 0; sent < 1024; sent++) yield new Uint8Array(2 ** 20);
  };
  let most = 0;
  for await (const _ of readSource(source(), 'source', 'reading', new AbortController().signal))
    most = Math.max(most, process.memoryUsage().arrayBuffers);
  expect(most).toBeLessThan(2 ** 29);
});
