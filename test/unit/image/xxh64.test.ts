import { expect, test } from 'vitest';
import { Xxh64 } from '../../../lib/image/xxh64.js';

/** Each byte another one, as far as that goes. */
const BYTES = Buffer.from(Array.from({ length: 5000 }, (_, index) => (index * 2_654_435_761) >>> 24));

function hashOf(bytes: Uint8Array, step = Infinity): string {
  const hash = new Xxh64();
  for (let at = 0; at < bytes.length; at += step) hash.update(bytes.subarray(at, at + step));
  return hash.digest().toString(16).padStart(16, '0');
}

test.each([
  ['', 'ef46db3751d8e999'],
  ['a', 'd24ec4f1a98c6e5b'],
  ['abc', '44bc2cf5ad770999'],
])('the hash of %j', (text, expected) => {
  expect(hashOf(Buffer.from(text))).toBe(expected);
});

/** Their lower halves are what `zstd --check` writes behind the same bytes. */
test.each([
  [31, '4071dd1310fa5da9'],
  [32, '13ee8a64346f0691'],
  [33, 'f75619499e2e2e99'],
  [100, '8a5b7a72e578e053'],
  [5000, '6a34b8075a2561b3'],
])('the hash of %i bytes, in pieces of any size', (count, expected) => {
  const bytes = BYTES.subarray(0, count);
  for (const step of [1, 7, 32, 45, 4096]) expect(hashOf(bytes, step), `${step}`).toBe(expected);
});
