/** The fields of `struct Record` in `addon/kernel/status.h`, in its order. */
export interface RecordFields {
  readonly type: number;
  readonly stage?: number;
  readonly sandbox?: number;
  readonly command?: number;
  readonly value?: number;
  readonly maxRssKib?: number;
  readonly startedNs?: bigint;
  readonly endedNs?: bigint;
  readonly userUs?: bigint;
  readonly systemUs?: bigint;
  readonly rest?: number;
  readonly text?: string;
}

/** A record as the launcher and the inits write it. */
export function encodeRecord(fields: RecordFields): Buffer {
  const text = Buffer.from(fields.text ?? '');
  const head = Buffer.alloc(64);
  head.writeUInt16LE(64 + text.length, 0);
  head.writeUInt16LE(fields.type, 2);
  head.writeUInt16LE(fields.stage ?? 0, 4);
  head.writeUInt16LE(text.length, 6);
  head.writeUInt32LE(fields.sandbox ?? 0, 8);
  head.writeUInt32LE(fields.command ?? 0, 12);
  head.writeInt32LE(fields.value ?? 0, 16);
  head.writeUInt32LE(fields.maxRssKib ?? 0, 20);
  head.writeBigUInt64LE(fields.startedNs ?? 0n, 24);
  head.writeBigUInt64LE(fields.endedNs ?? 0n, 32);
  head.writeBigUInt64LE(fields.userUs ?? 0n, 40);
  head.writeBigUInt64LE(fields.systemUs ?? 0n, 48);
  head.writeUInt32LE(fields.rest ?? 0, 56);
  return Buffer.concat([head, text]);
}
