import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ContentStore } from '../../../../lib/image/content-store.js';
import type { Digest } from '../../../../lib/shared/digest.js';
import { openContent, sha256 } from '../../../support/content.js';
import { rejection } from '../../../support/rejection.js';
import { makeScratch } from '../../../support/scratch.js';

let scratch: ReturnType<typeof makeScratch>;
let directory: string;
let store: ContentStore;

beforeEach(() => {
  scratch = makeScratch('content');
  directory = scratch.path;
  store = openContent(directory);
});

afterEach(() => {
  store[Symbol.dispose]();
  scratch[Symbol.dispose]();
});

const path = (digest: Digest): string => join(directory, 'content/blobs', digest.replace(':', '/'));
const partials = (): string[] => readdirSync(join(directory, 'content/ingest'));

async function write(into: ContentStore, bytes: Buffer): Promise<Digest> {
  using lease = into.lease();
  return await into.put(lease, bytes);
}

async function read(digest: Digest): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of store.read(digest, { verify: true })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('keeps a blob under its digest, for nobody to change', async () => {
  const bytes = randomBytes(3_000_000);
  const digest = await write(store, bytes);
  expect(digest).toBe(sha256(bytes));
  expect(bytes.equals(await read(digest))).toBe(true);
  expect(await store.stat(digest)).toEqual({ size: bytes.length });
  expect(statSync(path(digest)).mode & 0o777).toBe(0o444);
  expect(statSync(join(directory, 'content')).mode & 0o777).toBe(0o700);
  expect(partials()).toEqual([]);
  for await (const listed of store.list()) expect(listed).toEqual({ digest, size: bytes.length });
});

test('knows sha512 as well', async () => {
  const digest: Digest = `sha512:${createHash('sha512').update('hi').digest('hex')}`;
  using lease = store.lease();
  await using writer = (await lease.writer({ digest, size: 2 }))!;
  await writer.write(Buffer.from('hi'));
  expect(await writer.commit()).toEqual({ digest, size: 2 });
  expect((await store.readAll(digest, 2)).toString()).toBe('hi');
});

test('names a blob whose digest comes out at its end', async () => {
  using lease = store.lease();
  await using writer = await lease.newWriter();
  await writer.write(Buffer.from('ab'));
  await writer.write(Buffer.from('c'));
  expect((await writer.commit()).digest).toBe(sha256('abc'));
});

test('refuses other bytes than those that were announced, and forgets them', async () => {
  using lease = store.lease();
  {
    await using writer = (await lease.writer({ digest: sha256('right'), size: 5 }))!;
    await writer.write(Buffer.from('wrong'));
    expect(await rejection(writer.commit())).toMatchObject({ code: 'ERR_DIGEST_MISMATCH', subject: sha256('right') });
  }
  {
    await using writer = (await lease.writer({ digest: sha256('right'), size: 5 }))!;
    expect(await rejection(writer.write(Buffer.from('right and more')))).toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  }
  expect(partials()).toEqual([]);
  expect(await store.has(sha256('right'))).toBe(false);
});

test('goes on where an interrupted writer stopped', async () => {
  const bytes = randomBytes(1_500_000);
  const expected = { digest: sha256(bytes), size: bytes.length };
  using lease = store.lease();
  {
    await using writer = (await lease.writer(expected))!;
    await writer.write(bytes.subarray(0, 700_000));
    expect(await rejection(writer.commit())).toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  }
  await using writer = (await lease.writer(expected))!;
  expect(writer.bytes).toBe(700_000);
  await writer.write(bytes.subarray(700_000));
  await writer.commit();
  expect(bytes.equals(await read(expected.digest))).toBe(true);
});

test('begins again when the part that was kept is damaged', async () => {
  const digest = sha256('whole');
  writeFileSync(join(directory, 'content/ingest', digest.replace(':', '-')), 'wholeandmore');
  using lease = store.lease();
  await using longer = (await lease.writer({ digest, size: 5 }))!;
  expect(longer.bytes).toBe(0);
  await longer.write(Buffer.from('whole'));
  await longer.commit();
  expect(await store.has(digest)).toBe(true);
});

test('one writes, others wait and find the blob; a writer that gives up makes place for the next', async () => {
  using other = openContent(directory);
  const expected = { digest: sha256('shared'), size: 6 };
  using lease = store.lease();
  using otherLease = other.lease();
  const first = (await lease.writer(expected))!;
  const second = otherLease.writer(expected);
  const third = lease.writer(expected);
  await first.write(Buffer.from('sha'));
  await first[Symbol.asyncDispose]();
  const winner = (await Promise.race([second, third]))!;
  expect(winner.bytes).toBe(3);
  await winner.write(Buffer.from('red'));
  await winner.commit();
  const rest = await Promise.all([second, third]);
  expect(rest.filter((each) => each === undefined)).toHaveLength(1);
});

test('waiting for another writer can be aborted', async () => {
  const expected = { digest: sha256('x'), size: 1 };
  using lease = store.lease();
  await using _writer = await lease.writer(expected);
  const abort = new AbortController();
  const waiting = rejection(lease.writer(expected, abort.signal));
  abort.abort(new Error('enough'));
  expect(await waiting).toMatchObject({ code: 'ERR_ABORTED', cause: expect.objectContaining({ message: 'enough' }) });
});

test('collects what is neither wanted nor used, in any process', async () => {
  using other = openContent(directory);
  const [wanted, used, garbage] = await Promise.all(
    ['wanted', 'used', 'garbage'].map((text) => write(store, Buffer.from(text))),
  );
  using lease = other.lease();
  expect(await lease.useBlob(used!)).toBe(true);
  const isWanted = (digest: Digest): boolean => digest === wanted;
  expect(await store.collect(isWanted)).toEqual({ blobs: [garbage], bytes: 7 });
  expect(await other.has(used!)).toBe(true);
  expect(await other.has(garbage!)).toBe(false);
  lease[Symbol.dispose]();
  expect((await store.collect(isWanted)).blobs).toEqual([used]);
});

test('a blob is not collected between its last byte and the end of the lease', async () => {
  using other = openContent(directory);
  using lease = store.lease();
  const named = await store.put(lease, Buffer.from('named'));
  const writer = await lease.newWriter();
  await writer.write(Buffer.from('unnamed'));
  expect((await other.collect(() => false)).blobs).toEqual([]);
  const { digest } = await writer.commit();
  expect((await other.collect(() => false)).blobs).toEqual([]);
  expect(await store.has(named)).toBe(true);
  lease[Symbol.dispose]();
  expect((await other.collect(() => false)).blobs.toSorted()).toEqual([named, digest].toSorted());
});

test('collects what nobody goes on with: unnamed parts at once, named ones after a day', async () => {
  const ingest = join(directory, 'content/ingest');
  const [recent, old] = [sha256('recent'), sha256('old')].map((digest) => digest.replace(':', '-'));
  for (const name of ['new-0123456789abcdef', recent!, old!]) writeFileSync(join(ingest, name), 'abc');
  utimesSync(join(ingest, old!), 0, 0);
  expect(await store.collect(() => false)).toEqual({ blobs: [], bytes: 6 });
  expect(partials()).toEqual([recent]);
});

test('collects every part that nobody goes on with when all is to go', async () => {
  const place = join(directory, 'content/ingest');
  for (const name of ['new-0123456789abcdef', `sha256-${'a'.repeat(64)}`]) writeFileSync(join(place, name), 'abc');
  expect((await store.collect(() => true, { partials: true })).bytes).toBe(6);
  expect(partials()).toEqual([]);
});

test('finds damage and reads no damaged blob as a whole one', async () => {
  const good = await write(store, Buffer.from('good'));
  const bad = await write(store, Buffer.from('bad!'));
  chmodSync(path(bad), 0o644);
  writeFileSync(path(bad), 'evil');
  expect(await store.verify()).toEqual([{ digest: bad, reason: expect.stringContaining(bad) }]);
  expect(await rejection(store.readAll(bad, 100))).toMatchObject({ code: 'ERR_DIGEST_MISMATCH', subject: bad });
  expect((await store.readAll(good, 4)).toString()).toBe('good');
  expect(await rejection(store.readAll(good, 3))).toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  expect(readFileSync(path(bad), 'utf8')).toBe('evil');
});

test('a blob that is not there is an error with its name', async () => {
  expect(await rejection(store.readAll(sha256('none'), 10))).toMatchObject({
    code: 'ERR_NOT_FOUND',
    subject: sha256('none'),
  });
});

test('a full disk is an error, and the next try goes on', async () => {
  using small = makeScratch('full', '2m');
  using full = openContent(small.path);
  const ballast = join(small.path, 'ballast');
  writeFileSync(ballast, Buffer.alloc(1_000_000));
  const bytes = randomBytes(1_800_000);
  const expected = { digest: sha256(bytes), size: bytes.length };
  using lease = full.lease();
  {
    await using writer = (await lease.writer(expected))!;
    const writing = async (): Promise<void> => {
      for (let at = 0; at < bytes.length; at += 100_000) await writer.write(bytes.subarray(at, at + 100_000));
      await writer.commit();
    };
    expect(await rejection(writing())).toMatchObject({ code: 'ERR_KERNEL', errno: 'ENOSPC' });
  }
  expect(await full.verify()).toEqual([]);
  expect(await full.has(expected.digest)).toBe(false);
  rmSync(ballast);
  await using writer = (await lease.writer(expected))!;
  expect(writer.bytes).toBeGreaterThan(0);
  await writer.write(bytes.subarray(writer.bytes));
  await writer.commit();
  expect(await full.verify()).toEqual([]);
});
