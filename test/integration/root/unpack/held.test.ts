import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { CopySnapshotter } from '../../../../lib/rootfs/copy.js';
import { ErofsSnapshotter } from '../../../../lib/rootfs/erofs.js';
import { OverlaySnapshotter } from '../../../../lib/rootfs/overlay.js';
import { directory, END, hardLink, pax, symlink } from '../../../support/tar.js';

const LAYER = `sha256:${'7'.repeat(64)}` as const;
const COUNT = 12_000;
const scratch = mkdtempSync('/var/tmp/cloister-held-');
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const long = (i: number): string => `${i}`.padEnd(60_000, '/x');

const drivers = { overlay: OverlaySnapshotter, erofs: ErofsSnapshotter, copy: CopySnapshotter };
/** 700 MB each; compressed it is some hundred thousand bytes. */
const bombs: Readonly<Record<string, (i: number) => Buffer>> = {
  'attributes of directories': (i) => Buffer.concat([pax([['SCHILY.xattr.user.a', long(i)]]), directory(`d${i}`)]),
  'links to what never comes': (i) => Buffer.concat([pax([['linkpath', long(i)]]), hardLink(`l${i}`, 'x')]),
};
const cases = Object.keys(drivers).flatMap((driver) => Object.keys(bombs).map((bomb) => [driver, bomb] as const));

async function* repeated(entry: (i: number) => Buffer, count = COUNT): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield entry(i);
  yield END;
}

test.each(cases)('%s keeps no more of an archive in memory than it may: %s', async (name, bomb) => {
  const driver = new drivers[name as keyof typeof drivers](join(scratch, name));
  const adding = driver.add(LAYER, repeated(bombs[bomb]!));
  await expect(adding).rejects.toMatchObject({
    code: 'ERR_LAYER_INVALID',
    message: expect.stringContaining('256 MiB') as string,
  });
  expect(await driver.has(LAYER)).toBe(false);
  expect(readdirSync(join(scratch, name, 'drafts'))).toEqual([]);
});

test('an index keeps no more targets of links than it may', async () => {
  const driver = new ErofsSnapshotter(join(scratch, 'targets'));
  const entry = (i: number): Buffer =>
    Buffer.concat([pax([['linkpath', `${i}`.padEnd(4000, 'y')]]), symlink(`s${i}`, '')]);
  await expect(driver.add(LAYER, repeated(entry, 70_000))).rejects.toThrow('256 MiB');
});
