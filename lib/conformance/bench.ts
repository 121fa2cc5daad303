import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Snapshotter } from '../shared/snapshotter.js';
import type { Digest } from '../shared/digest.js';
import { makeArchive, type Archive, type Entry } from './archive.js';

/** What a case works with. */
export interface Bench {
  readonly driver: Snapshotter;
  /** Another object on the same directory, as another process would have. */
  readonly twin: Snapshotter;
  /** Empty, removed afterwards. */
  readonly scratch: string;
  readonly add: (...entries: readonly Entry[]) => Promise<Digest>;
}

export type BenchCase = readonly [name: string, run: (bench: Bench) => Promise<void>];

/** The bytes of an archive in pieces of an odd size. */
export async function* pieces({ bytes }: Pick<Archive, 'bytes'>, size = 777): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** The error that a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Error, 'expected a rejection');
  return error;
}

/** Runs a case with a driver on a directory of its own. */
export async function withBench(
  open: (directory: string) => Snapshotter,
  run: (bench: Bench) => Promise<void>,
): Promise<void> {
  const scratch = await mkdtemp('/var/tmp/cloister-conformance-');
  try {
    const directory = join(scratch, 'driver');
    const driver = open(directory);
    const add = async (...entries: readonly Entry[]): Promise<Digest> => {
      const archive = await makeArchive(entries);
      await driver.add(archive.layer, pieces(archive));
      return archive.layer;
    };
    await run({ driver, twin: open(directory), scratch, add });
  } finally {
    // What a sandbox had of it goes a moment after the result.
    await rm(scratch, { recursive: true, force: true, maxRetries: 50, retryDelay: 20 });
  }
}
