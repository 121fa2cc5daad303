/** Writes archives block by block, also such as no program would write: every field can be given as it is to stand there. */

export const BLOCK = 512;
/** Two blocks of zeroes. */
export const END = Buffer.alloc(2 * BLOCK);

type Text = string | Uint8Array;
/** A number in octal digits, or the bytes of the field. */
type Numeric = number | Uint8Array;

export interface Fields {
  path?: Text;
  /** `'0'` file, `'1'` hard link, `'2'` symbolic link, `'3'` and `'4'` devices, `'5'` directory, `'6'` FIFO. Default `'0'`. */
  type?: string;
  link?: Text;
  mode?: Numeric;
  uid?: Numeric;
  gid?: Numeric;
  size?: Numeric;
  mtime?: Numeric;
  devMajor?: Numeric;
  devMinor?: Numeric;
  format?: 'ustar' | 'gnu' | 'v7' | 'star';
  prefix?: Text;
  /** Changes the finished block; its checksum is made afterwards. */
  edit?: (block: Buffer) => void;
  /** `'signed'` as old programs summed up; bytes as they are to stand there. */
  checksum?: 'signed' | Uint8Array;
}

const bytes = (text: Text): Uint8Array => (typeof text === 'string' ? Buffer.from(text) : text);

function put(block: Buffer, offset: number, length: number, text: Text): void {
  Buffer.from(bytes(text)).copy(block, offset, 0, length);
}

function putNumber(block: Buffer, offset: number, length: number, value: Numeric): void {
  put(block, offset, length, typeof value === 'number' ? `${value.toString(8).padStart(length - 1, '0')}\0` : value);
}

const MAGIC = { ustar: 'ustar\u000000', gnu: 'ustar  \0', v7: '', star: 'ustar\u000000' } as const;

/** GNU's form of numbers that octal digits have no room for: two's complement, the first bit set. */
export function base256(value: bigint, length: number): Buffer {
  const field = Buffer.alloc(length);
  let rest = BigInt.asUintN(8 * length, value);
  for (let i = length - 1; i >= 0; i--, rest >>= 8n) field[i] = Number(rest & 0xffn);
  field[0] = (field[0] ?? 0) | 0x80;
  return field;
}

function sum(block: Buffer, isSigned: boolean): number {
  let total = 0;
  for (let i = 0; i < BLOCK; i++) {
    if (i >= 148 && i < 156) total += 0x20;
    else total += isSigned ? block.readInt8(i) : block.readUInt8(i);
  }
  return total;
}

/** One header block. */
export function header(fields: Fields): Buffer {
  const format = fields.format ?? 'ustar';
  const block = Buffer.alloc(BLOCK);
  put(block, 0, 100, fields.path ?? '');
  putNumber(block, 100, 8, fields.mode ?? 0o644);
  putNumber(block, 108, 8, fields.uid ?? 0);
  putNumber(block, 116, 8, fields.gid ?? 0);
  putNumber(block, 124, 12, fields.size ?? 0);
  putNumber(block, 136, 12, fields.mtime ?? 1_600_000_000);
  put(block, 156, 1, fields.type ?? '0');
  put(block, 157, 100, fields.link ?? '');
  put(block, 257, 8, MAGIC[format]);
  if (format !== 'v7') {
    putNumber(block, 329, 8, fields.devMajor ?? 0);
    putNumber(block, 337, 8, fields.devMinor ?? 0);
    put(block, 345, 155, fields.prefix ?? '');
  }
  if (format === 'star') put(block, 508, 4, 'tar\0');
  fields.edit?.(block);
  const checksum = fields.checksum ?? 'unsigned';
  if (typeof checksum === 'string') {
    put(
      block,
      148,
      8,
      `${sum(block, checksum === 'signed')
        .toString(8)
        .padStart(6, '0')}\0 `,
    );
  } else put(block, 148, 8, checksum);
  return block;
}

/** Data filled up to whole blocks. */
export function padded(data: Text): Buffer {
  const raw = bytes(data);
  return Buffer.concat([raw, Buffer.alloc((BLOCK - (raw.length % BLOCK)) % BLOCK)]);
}

/** A header and its data; the size is that of the data unless it is given. */
export function entry(fields: Fields, data: Text = ''): Buffer {
  return Buffer.concat([header({ size: bytes(data).length, ...fields }), padded(data)]);
}

export const file = (path: Text, data: Text = '', more: Fields = {}): Buffer => entry({ path, ...more }, data);
export const directory = (path: Text, more: Fields = {}): Buffer => entry({ path, type: '5', mode: 0o755, ...more });
export const symlink = (path: Text, link: Text, more: Fields = {}): Buffer =>
  entry({ path, type: '2', link, mode: 0o777, ...more });
export const hardLink = (path: Text, link: Text, more: Fields = {}): Buffer =>
  entry({ path, type: '1', link, ...more });

/** One record of an extended header; its length counts itself. */
export function record(key: Text, value: Text): Buffer {
  const body = Buffer.concat([Buffer.from(' '), bytes(key), Buffer.from('='), bytes(value), Buffer.from('\n')]);
  let length = body.length + 1;
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  return Buffer.concat([Buffer.from(String(length)), body]);
}

/** An extended header for the next entry, or (`'g'`) for all that follow. */
export function pax(records: readonly (readonly [Text, Text])[], type: 'x' | 'g' | 'X' = 'x'): Buffer {
  return entry({ path: 'PaxHeaders/0', type }, Buffer.concat(records.map(([key, value]) => record(key, value))));
}

/** GNU's way to a path (`'L'`) or a link's target (`'K'`) of any length. */
export function gnuLong(type: 'L' | 'K', name: Text): Buffer {
  return entry({ path: '././@LongLink', type, format: 'gnu' }, Buffer.concat([bytes(name), Buffer.alloc(1)]));
}

export function archive(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat([...parts, END]);
}
