import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MESSAGE } from '../../lib/native/launcher.js';
import { encodeCommand, encodeLaunch } from '../../lib/native/wire.js';
import { GENERATED_ETC } from '../../lib/rootfs/host-files.js';
import { commandFds, commandPlan, launch } from '../support/plans.js';
import { sampleParts } from '../support/sample-archive.js';
import { archive } from '../support/tar.js';

/** What the fuzzers of `test/fuzz/native/` start from: real messages, so that they need not guess the format. */
function seeds(): Record<string, Uint8Array[]> {
  const sample = { numRuns: 60, seed: 1 };
  const launches = fc
    .sample(launch, sample)
    .map((each) => encodeLaunch(each.id, each.plan, each.control, each.command));
  const commands = fc.sample(fc.tuple(commandPlan, commandFds), sample).map(([plan, fds]) => encodeCommand(plan, fds));
  const message = (type: number, body: Buffer, inMemfd: boolean, fds: number): Buffer => {
    const head = Buffer.alloc(12);
    head.writeUInt32LE(type, 0);
    head.writeUInt32LE(body.length, 4);
    head.writeUInt32LE(inMemfd ? 1 : 0, 8);
    return Buffer.concat([Buffer.from([fds, inMemfd ? body.length : 0]), ...(inMemfd ? [body, head] : [head, body])]);
  };
  const short = Buffer.from('a short body');
  const files = Object.values(GENERATED_ETC).map((text) => text.replaceAll('\0', ''));
  // All of them, and each alone: the first byte says how to unpack.
  const archives = [archive(...sampleParts()), ...sampleParts().map((part) => archive(part))];
  return {
    tar_reader: archives,
    erofs_index: archives,
    unpack: archives.flatMap((bytes) => [0, 1].map((mode) => Buffer.concat([Buffer.from([mode]), bytes]))),
    launch_plan: launches.map(({ body }) => body),
    command_plan: commands.map(({ body }) => body),
    message: Object.values(MESSAGE).flatMap((type) => [
      message(type, short, false, 0),
      message(type, short, false, 3),
      message(type, short, true, 1),
    ]),
    accounts: ['root', 'user', 'nogroup'].flatMap((name) => files.map((text) => Buffer.from(`${name}\n${text}`))),
  };
}

test('there are seeds for every fuzzer', () => {
  const all = seeds();
  const directory = process.env['CLOISTER_FUZZ_SEEDS'];
  for (const [name, inputs] of Object.entries(all)) {
    expect(inputs.length, name).toBeGreaterThan(5);
    if (directory === undefined) continue;
    mkdirSync(join(directory, name), { recursive: true });
    inputs.forEach((input, index) => writeFileSync(join(directory, name, `seed-${index}`), input));
  }
});
