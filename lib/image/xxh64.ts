const LANES = 4;
const STRIPE_BYTES = 32;
const MASK = (1n << 64n) - 1n;

const PRIME_1 = 0x9e3779b185ebca87n;
const PRIME_2 = 0xc2b2ae3d27d4eb4fn;
const PRIME_3 = 0x165667b19e3779f9n;
const PRIME_4 = 0x85ebca77c2b2ae63n;
const PRIME_5 = 0x27d4eb2f165667c5n;

const rotate = (value: bigint, by: bigint): bigint => ((value << by) | (value >> (64n - by))) & MASK;
const round = (lane: bigint, input: bigint): bigint => (rotate((lane + input * PRIME_2) & MASK, 31n) * PRIME_1) & MASK;

/** The upper half of a product of two numbers of 32 bits; `Math.imul` gives the lower one. */
function upperHalf(a: number, b: number): number {
  const [a0, a1, b0, b1] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const [low, left, right] = [a0 * b0, a1 * b0, a0 * b1];
  const middle = (low >>> 16) + (left & 0xffff) + (right & 0xffff);
  return a1 * b1 + (left >>> 16) + (right >>> 16) + (middle >>> 16);
}

/**
 * The hash that a zstd frame ends with, with the seed 0. In halves of 32 bits where the bytes are, as numbers of 64 bits are slow.
 * @see https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md#xxh64-algorithm-description
 */
export class Xxh64 {
  /** Lower and upper half of each lane in turn. */
  readonly #lanes = new Uint32Array(2 * LANES);
  readonly #rest = Buffer.alloc(STRIPE_BYTES);
  #bytes = 0;

  constructor() {
    const lanes = [PRIME_1 + PRIME_2, PRIME_2, 0n, -PRIME_1];
    for (const [index, lane] of lanes.entries()) {
      this.#lanes[2 * index] = Number(lane & 0xffffffffn);
      this.#lanes[2 * index + 1] = Number((lane >> 32n) & 0xffffffffn);
    }
  }

  update(bytes: Uint8Array): void {
    const waiting = this.#bytes % STRIPE_BYTES;
    this.#bytes += bytes.length;
    let at = 0;
    if (waiting > 0) {
      at = Math.min(STRIPE_BYTES - waiting, bytes.length);
      this.#rest.set(bytes.subarray(0, at), waiting);
      if (waiting + at < STRIPE_BYTES) return;
      this.#stripes(this.#rest);
    }
    const whole = bytes.length - ((bytes.length - at) % STRIPE_BYTES);
    this.#stripes(bytes.subarray(at, whole));
    this.#rest.set(bytes.subarray(whole));
  }

  digest(): bigint {
    let hash = (this.#bytes < STRIPE_BYTES ? PRIME_5 : this.#converge()) + BigInt(this.#bytes);
    const end = this.#bytes % STRIPE_BYTES;
    let at = 0;
    for (; at + 8 <= end; at += 8) {
      const word = this.#rest.readBigUInt64LE(at);
      hash = (rotate((hash ^ round(0n, word)) & MASK, 27n) * PRIME_1 + PRIME_4) & MASK;
    }
    if (at + 4 <= end) {
      hash ^= (BigInt(this.#rest.readUInt32LE(at)) * PRIME_1) & MASK;
      hash = (rotate(hash & MASK, 23n) * PRIME_2 + PRIME_3) & MASK;
      at += 4;
    }
    for (; at < end; at += 1) {
      hash ^= (BigInt(this.#rest.readUInt8(at)) * PRIME_5) & MASK;
      hash = (rotate(hash & MASK, 11n) * PRIME_1) & MASK;
    }
    hash = ((hash ^ (hash >> 33n)) * PRIME_2) & MASK;
    hash = ((hash ^ (hash >> 29n)) * PRIME_3) & MASK;
    return hash ^ (hash >> 32n);
  }

  #stripes(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; at += 8) {
      this.#round(2 * ((at / 8) % LANES), view.getUint32(at, true), view.getUint32(at + 4, true));
    }
  }

  /** As `round`, of the lane whose lower half is at `index`. */
  #round(index: number, low: number, high: number): void {
    const sum = (this.#lanes[index] ?? 0) + (Math.imul(low, 0x27d4eb4f) >>> 0);
    const product = upperHalf(low, 0x27d4eb4f) + Math.imul(low, 0xc2b2ae3d) + Math.imul(high, 0x27d4eb4f);
    const lower = sum >>> 0;
    const upper = ((this.#lanes[index + 1] ?? 0) + product + (sum > 0xffffffff ? 1 : 0)) >>> 0;
    const turnedLower = ((upper >>> 1) | (lower << 31)) >>> 0;
    const turnedUpper = (lower >>> 1) | (upper << 31);
    this.#lanes[index] = Math.imul(turnedLower, 0x85ebca87);
    this.#lanes[index + 1] =
      upperHalf(turnedLower, 0x85ebca87) + Math.imul(turnedLower, 0x9e3779b1) + Math.imul(turnedUpper, 0x85ebca87);
  }

  #converge(): bigint {
    const lanes = Array.from({ length: LANES }, (_, index) => {
      const upper = BigInt(this.#lanes[2 * index + 1] ?? 0);
      return (upper << 32n) | BigInt(this.#lanes[2 * index] ?? 0);
    });
    const turns = [1n, 7n, 12n, 18n];
    const sum = lanes.reduce((all, lane, index) => all + rotate(lane, turns[index] ?? 0n), 0n) & MASK;
    return lanes.reduce((all, lane) => ((all ^ round(0n, lane)) * PRIME_1 + PRIME_4) & MASK, sum);
  }
}
