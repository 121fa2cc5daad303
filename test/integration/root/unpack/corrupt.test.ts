import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CloisterError } from '../../../../lib/index.js';
import { Canary } from '../../../support/canary.js';
import { sampleParts } from '../../../support/sample-archive.js';
import { archive } from '../../../support/tar.js';

let canary: Canary;
beforeAll(() => void (canary = new Canary('corrupt')));
afterAll(() => canary[Symbol.dispose]());

/** Whether it was taken; a refusal has to be one of the archive, or of a number that the kernel does not like. */
async function taken(bad: Uint8Array): Promise<boolean> {
  try {
    await canary.unpack(bad, { maxBytes: 2 ** 24, maxEntries: 100 });
    return true;
  } catch (error) {
    if (!CloisterError.is(error)) throw error;
    expect(error.code, error.message).toBe('ERR_LAYER_INVALID');
    return false;
  } finally {
    await canary.remove();
  }
}

test('the sample itself is sound', async () => {
  expect(await taken(archive(...sampleParts()))).toBe(true);
});

test('cut off at every block, and between them', async () => {
  const whole = archive(...sampleParts());
  const cuts = Array.from({ length: whole.length / 512 }, (_, i) => [i * 512, i * 512 + 1, i * 512 + 300]).flat();
  let refused = 0;
  for (const cut of cuts) if (!(await taken(whole.subarray(0, cut)))) refused++;
  // Where an entry ends an archive may end, as in every reader: that is for the digest to tell.
  expect(refused).toBeGreaterThan(cuts.length * 0.6);
});

test('with bits the other way', async () => {
  const whole = archive(...sampleParts());
  const flip = fc.tuple(fc.integer({ min: 0, max: whole.length - 1 }), fc.integer({ min: 0, max: 7 }));
  await fc.assert(
    fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 3 }), async (flips) => {
      const bad = Buffer.from(whole);
      for (const [at, bit] of flips) bad[at] = (bad[at] ?? 0) ^ (1 << bit);
      await taken(bad);
    }),
    { numRuns: 150 },
  );
});

/** Makes the sum of a block right again, so that what is wrong is looked at. */
function sign(block: Buffer): void {
  block.fill(0x20, 148, 156);
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
    'latin1',
  );
}

test('with headers that are garbage and have the right checksum', async () => {
  const whole = archive(...sampleParts());
  const change = fc.tuple(
    fc.integer({ min: 0, max: whole.length / 512 - 3 }),
    fc.constantFrom(0, 100, 108, 116, 124, 136, 156, 157, 257, 329, 337, 345, 386, 482, 483),
    fc.uint8Array({ minLength: 1, maxLength: 24 }),
  );
  await fc.assert(
    fc.asyncProperty(change, async ([index, offset, bytes]) => {
      const bad = Buffer.from(whole);
      const block = bad.subarray(index * 512, index * 512 + 512);
      block.set(bytes.subarray(0, 512 - offset), offset);
      if (block.subarray(257, 262).toString() === 'ustar') sign(block);
      await taken(bad);
    }),
    { numRuns: 150 },
  );
});

test('with blocks left out, doubled and in another order', async () => {
  const whole = archive(...sampleParts());
  const blocks = Array.from({ length: whole.length / 512 }, (_, i) => whole.subarray(i * 512, i * 512 + 512));
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray([...blocks, ...blocks], { minLength: 1 }), async (some) => {
      await taken(Buffer.concat(some));
    }),
    { numRuns: 60 },
  );
});
