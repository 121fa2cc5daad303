import { describe, expect, test } from 'vitest';
import { STAGES, StatusParser, type StatusRecord } from '../../../lib/native/status.js';
import { encodeRecord, type RecordFields } from '../../support/records.js';
import { refusal } from '../../support/refusal.js';

const parse = (...chunks: Buffer[]): StatusRecord[] => {
  const parser = new StatusParser();
  return chunks.flatMap((chunk) => [...parser.push(chunk)]);
};

describe('a record', () => {
  test('field by field', () => {
    const fields: RecordFields = {
      type: 3, stage: 0, sandbox: 4_000_000_000, command: 7, value: -6, maxRssKib: 12, startedNs: 2n ** 62n, endedNs: 2n ** 63n,
      userUs: 11n, systemUs: 12n, rest: 13, text: '',
    }; // prettier-ignore
    expect(parse(encodeRecord(fields))).toEqual([
      {
        type: 'exited', sandbox: 4_000_000_000, command: 7, value: -6, maxRssBytes: 12 * 1024, startedNs: 2n ** 62n,
        endedNs: 2n ** 63n, userUs: 11, systemUs: 12, rest: 13, refusal: undefined,
      },
    ]); // prettier-ignore
  });

  test.each(['ready', 'started', 'exited', 'failed', 'gone', 'broken', 'terminal'])('of type %s', (type) => {
    const number = ['', 'ready', 'started', 'exited', 'failed', 'gone', 'broken', 'terminal'].indexOf(type);
    expect(parse(encodeRecord({ type: number }))[0]?.type).toBe(type);
  });

  test('of a type that is newer than this library', () => {
    expect(parse(encodeRecord({ type: 77 }))[0]?.type).toBe('');
  });
});

describe('a refusal', () => {
  test.each(STAGES.map((stage, number) => [stage, number] as const))('at stage %s', (stage, number) => {
    const record = parse(encodeRecord({ type: 6, stage: number, value: 2, text: 'open(2)\n/some/path' }))[0];
    expect(record?.refusal).toEqual({ stage, errno: 2, syscall: 'open(2)', subject: '/some/path' });
  });

  test('of a stage that is newer', () => {
    expect(parse(encodeRecord({ type: 6, stage: 99, text: 'x\ny' }))[0]?.refusal?.stage).toBe('none');
  });

  test.each([
    ['setgroups(2)\n', 'setgroups(2)', ''],
    ['setgroups(2)', 'setgroups(2)', ''],
    ['open(2)\na\nb', 'open(2)', 'a\nb'],
    ['open(2)\n/ü', 'open(2)', '/ü'],
  ])('%j', (text, syscall, subject) => {
    expect(parse(encodeRecord({ type: 4, text }))[0]?.refusal).toMatchObject({ syscall, subject });
  });
});

describe('a stream', () => {
  const records = [1, 2, 3].map((sandbox) => encodeRecord({ type: 1, sandbox, text: 'x'.repeat(sandbox) }));
  const ids = (found: StatusRecord[]): number[] => found.map(({ sandbox }) => sandbox);

  test('of several at once', () => {
    expect(ids(parse(Buffer.concat(records)))).toEqual([1, 2, 3]);
  });

  test('byte by byte', () => {
    const bytes = [...Buffer.concat(records)].map((byte) => Buffer.from([byte]));
    expect(ids(parse(...bytes))).toEqual([1, 2, 3]);
  });

  test('what is not there yet is waited for', () => {
    const parser = new StatusParser();
    const all = Buffer.concat(records);
    expect([...parser.push(all.subarray(0, 70))]).toHaveLength(1);
    expect([...parser.push(Buffer.alloc(0))]).toEqual([]);
    expect(ids([...parser.push(all.subarray(70))])).toEqual([2, 3]);
  });

  test('a chunk may be used again by who gave it', () => {
    const parser = new StatusParser();
    const all = Buffer.concat(records);
    const chunk = Buffer.from(all.subarray(0, 100));
    expect(ids([...parser.push(chunk)])).toEqual([1]);
    chunk.fill(0xff);
    expect(ids([...parser.push(all.subarray(100))])).toEqual([2, 3]);
  });

  test.each([
    ['no size', (bytes: Buffer) => bytes.writeUInt16LE(0, 0)],
    ['less than its own head', (bytes: Buffer) => bytes.writeUInt16LE(63, 0)],
    ['a text longer than itself', (bytes: Buffer) => bytes.writeUInt16LE(2, 6)],
  ])('that is broken, %s, is an error and not an endless loop', (_, damage) => {
    const bytes = encodeRecord({ type: 1, text: 'x' });
    damage(bytes);
    expect(refusal(() => parse(bytes))).toMatchObject({ code: 'ERR_LAUNCHER' });
  });
});
