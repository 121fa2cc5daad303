import { CloisterError } from '../errors.js';

/** Records from the launcher and the inits. Mirror of `addon/kernel/status.h`. */

export const STAGES = [
  'none', 'protocol', 'source', 'clone', 'namespace', 'mount', 'sysctl', 'cgroup',
  'terminal', 'rlimit', 'user', 'cwd', 'privileges', 'seccomp', 'exec',
] as const; // prettier-ignore
export type Stage = (typeof STAGES)[number];

const TYPES = ['', 'ready', 'started', 'exited', 'failed', 'gone', 'broken', 'terminal'] as const;

/** A refused kernel call at some stage of a start. */
export interface Refusal {
  readonly stage: Stage;
  readonly errno: number;
  readonly syscall: string;
  readonly subject: string;
}

export interface StatusRecord {
  /** `lost`: never sent. The launcher died without having been asked to, and its sandboxes with it. */
  readonly type: (typeof TYPES)[number] | 'lost';
  readonly sandbox: number;
  readonly command: number;
  /** Pid inside, wait status or errno. */
  readonly value: number;
  readonly maxRssBytes: number;
  readonly startedNs: bigint;
  readonly endedNs: bigint;
  readonly userUs: number;
  readonly systemUs: number;
  /** `exited` of a one-shot sandbox: processes that were still alive. */
  readonly rest: number;
  readonly refusal: Refusal | undefined;
}

const HEADER_BYTES = 64;

function parseRefusal(buffer: Buffer, at: number, textBytes: number): Refusal {
  const text = buffer.toString('utf8', at + HEADER_BYTES, at + HEADER_BYTES + textBytes);
  const split = text.indexOf('\n');
  return {
    stage: STAGES[buffer.readUInt16LE(at + 4)] ?? 'none',
    errno: buffer.readInt32LE(at + 16),
    syscall: split < 0 ? text : text.slice(0, split),
    subject: split < 0 ? '' : text.slice(split + 1),
  };
}

function brokenStream(size: number): CloisterError {
  return new CloisterError('ERR_LAUNCHER', `the launcher's status stream is broken: a record of ${size} bytes`);
}

/** Splits a stream of bytes into records; a record may arrive in pieces. @throws CloisterError `ERR_LAUNCHER` */
export class StatusParser {
  #rest: Buffer = Buffer.alloc(0);

  *push(chunk: Buffer): Generator<StatusRecord> {
    const buffer = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (buffer.length - at >= HEADER_BYTES) {
      const size = buffer.readUInt16LE(at);
      // Whoever writes such a thing is none of ours; to read on from a wrong place would be to believe anything.
      if (size < HEADER_BYTES || buffer.readUInt16LE(at + 6) > size - HEADER_BYTES) throw brokenStream(size);
      if (buffer.length - at < size) break;
      yield this.#parse(buffer, at);
      at += size;
    }
    this.#rest = Buffer.from(buffer.subarray(at));
  }

  #parse(buffer: Buffer, at: number): StatusRecord {
    const textBytes = buffer.readUInt16LE(at + 6);
    return {
      type: TYPES[buffer.readUInt16LE(at + 2)] ?? '',
      sandbox: buffer.readUInt32LE(at + 8),
      command: buffer.readUInt32LE(at + 12),
      value: buffer.readInt32LE(at + 16),
      maxRssBytes: buffer.readUInt32LE(at + 20) * 1024,
      startedNs: buffer.readBigUInt64LE(at + 24),
      endedNs: buffer.readBigUInt64LE(at + 32),
      userUs: Number(buffer.readBigUInt64LE(at + 40)),
      systemUs: Number(buffer.readBigUInt64LE(at + 48)),
      rest: buffer.readUInt32LE(at + 56),
      refusal: textBytes === 0 ? undefined : parseRefusal(buffer, at, textBytes),
    };
  }
}
