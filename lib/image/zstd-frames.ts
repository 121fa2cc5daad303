import { CloisterError } from '../errors.js';

/** What zstd itself decodes unless told otherwise (`--memory`), and Node's decoder, too. */
const MAX_WINDOW_BYTES = 128 * 2 ** 20;

const FRAME_MAGIC = 0xfd2fb528;
/** 0x184D2A50 to 0x184D2A5F: bytes for other programs than the decoder. */
const SKIPPABLE_MAGIC = 0x184d2a5;
const MAX_BLOCK_BYTES = 128 * 1024;

type State =
  | { readonly step: 'frame' }
  | { readonly step: 'header'; readonly flags: number }
  | { readonly step: 'skippable'; readonly firstSizeByte: number }
  | { readonly step: 'block'; readonly hasChecksum: boolean }
  | { readonly step: 'checksum' };

function refuse(problem: string): CloisterError {
  return new CloisterError('ERR_LAYER_INVALID', `the layer's zstd stream ${problem}`);
}

/** The window of a frame, from the bytes after its flags. Huge is as good as exact where a size has eight bytes. */
function windowBytes(flags: number, header: Buffer): number {
  const isSingleSegment = (flags & 0x20) !== 0;
  if (!isSingleSegment) {
    const descriptor = header[0] ?? 0;
    const base = 2 ** (10 + (descriptor >> 3));
    return base + (base / 8) * (descriptor & 7);
  }
  const dictionaryBytes = [0, 1, 2, 4][flags & 3] ?? 0;
  const size = header.subarray(dictionaryBytes);
  if (size.length === 1) return size.readUInt8();
  if (size.length === 2) return size.readUInt16LE() + 256;
  return size.readUInt32LE() + (size.length === 8 ? size.readUInt32LE(4) * 2 ** 32 : 0);
}

function headerBytes(flags: number): number {
  const isSingleSegment = (flags & 0x20) !== 0;
  const contentSize = [isSingleSegment ? 1 : 0, 2, 4, 8][flags >> 6] ?? 0;
  return (isSingleSegment ? 0 : 1) + ([0, 1, 2, 4][flags & 3] ?? 0) + contentSize;
}

/**
 * Follows a zstd stream from header to header without decoding it, for decoders that need help: `fzstd` takes any size on
 * trust and checks no sum, and Node's own stops at the end of a frame that is not the end of a chunk (up to Node 24 at least).
 * @see https://www.rfc-editor.org/rfc/rfc8878#section-3
 */
export class ZstdFrames {
  #state: State = { step: 'frame' };
  /** The part of a header that has come so far; no header has more than 14 bytes. */
  #partial = Buffer.alloc(0);
  #skip = 0;
  #checksum: number | undefined;

  /** Of the frame that has ended, if it has one: the lower half of the XXH64 of its content. */
  get checksum(): number | undefined {
    return this.#checksum;
  }

  get isBetweenFrames(): boolean {
    return this.#state.step === 'frame' && this.#skip === 0 && this.#partial.length === 0;
  }

  /** The same bytes in pieces that never go beyond the end of a frame. @throws CloisterError `ERR_LAYER_INVALID` */
  *split(chunk: Uint8Array): Generator<Uint8Array> {
    let at = 0;
    let from = 0;
    while (at < chunk.length) {
      at += this.#skip > 0 ? this.#skipIn(chunk.length - at) : this.#readHeader(chunk.subarray(at));
      if (!this.isBetweenFrames) continue;
      yield chunk.subarray(from, at);
      from = at;
    }
    if (from < at) yield chunk.subarray(from);
  }

  /** @throws CloisterError `ERR_LAYER_INVALID` for a stream that stops inside a frame. */
  end(): void {
    if (!this.isBetweenFrames) throw refuse('is truncated');
  }

  #skipIn(available: number): number {
    const count = Math.min(this.#skip, available);
    this.#skip -= count;
    return count;
  }

  #readHeader(rest: Uint8Array): number {
    const missing = this.#wanted() - this.#partial.length;
    const part = rest.subarray(0, missing);
    this.#partial = Buffer.concat([this.#partial, part]);
    if (part.length < missing) return part.length;
    const header = this.#partial;
    this.#partial = Buffer.alloc(0);
    this.#state = this.#next(header);
    return part.length;
  }

  #wanted(): number {
    switch (this.#state.step) {
      case 'frame':
        return 5;
      case 'checksum':
        return 4;
      case 'header':
        return headerBytes(this.#state.flags);
      case 'skippable':
      case 'block':
        return 3;
    }
  }

  #next(header: Buffer): State {
    const state = this.#state;
    switch (state.step) {
      case 'frame':
        this.#checksum = undefined;
        return startFrame(header);
      case 'checksum':
        this.#checksum = header.readUInt32LE();
        return { step: 'frame' };
      case 'header':
        if (windowBytes(state.flags, header) > MAX_WINDOW_BYTES) throw refuse('needs more than 128 MiB of memory');
        return { step: 'block', hasChecksum: (state.flags & 4) !== 0 };
      case 'skippable':
        this.#skip = state.firstSizeByte + header.readUIntLE(0, 3) * 256;
        return { step: 'frame' };
      case 'block': {
        const value = header.readUIntLE(0, 3);
        const size = value >> 3;
        if (size > MAX_BLOCK_BYTES || ((value >> 1) & 3) === 3) throw refuse('is damaged');
        const isLast = (value & 1) !== 0;
        this.#skip = ((value >> 1) & 3) === 1 ? 1 : size;
        return isLast ? { step: state.hasChecksum ? 'checksum' : 'frame' } : state;
      }
    }
  }
}

function startFrame(header: Buffer): State {
  const magic = header.readUInt32LE();
  if (magic === FRAME_MAGIC) return { step: 'header', flags: header.readUInt8(4) };
  if (magic >>> 4 === SKIPPABLE_MAGIC) return { step: 'skippable', firstSizeByte: header.readUInt8(4) };
  throw refuse('is damaged, or has something else after it');
}
