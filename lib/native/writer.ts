/** Writes the little-endian encoding that `addon/kernel/bytes.h` reads. */
export class Writer {
  #buffer = Buffer.allocUnsafe(8192);
  #at = 0;

  #reserve(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, at + bytes));
      this.#buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    this.#at = at + bytes;
    return at;
  }

  u8(value: number): this {
    const at = this.#reserve(1);
    this.#buffer.writeUInt8(value, at);
    return this;
  }

  flag(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  u32(value: number): this {
    const at = this.#reserve(4);
    this.#buffer.writeUInt32LE(value, at);
    return this;
  }

  i32(value: number): this {
    const at = this.#reserve(4);
    this.#buffer.writeInt32LE(value, at);
    return this;
  }

  u64(value: bigint): this {
    const at = this.#reserve(8);
    this.#buffer.writeBigUInt64LE(value, at);
    return this;
  }

  i64(value: bigint): this {
    const at = this.#reserve(8);
    this.#buffer.writeBigInt64LE(value, at);
    return this;
  }

  bytes(value: Uint8Array): this {
    this.u32(value.length);
    const at = this.#reserve(value.length);
    this.#buffer.set(value, at);
    return this;
  }

  /** With its terminating NUL; the options' validation has refused texts that hold another. */
  string(value: string): this {
    const length = Buffer.byteLength(value);
    this.u32(length + 1);
    const at = this.#reserve(length + 1);
    this.#buffer.write(value, at, 'utf8');
    this.#buffer[at + length] = 0;
    return this;
  }

  list<T>(items: readonly T[], write: (item: T) => void): this {
    this.u32(items.length);
    for (const item of items) write(item);
    return this;
  }

  finish(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }
}
