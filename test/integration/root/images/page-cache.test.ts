import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Host, Sandbox } from '../../../../lib/index.js';
import { importTestImage } from '../../../support/archives.js';
import { busyboxLayer } from '../../../support/busybox-image.js';
import { file } from '../../../support/tar.js';
import { testImage } from '../../../support/test-image.js';
import { readShared } from '../../../support/tree-facts.js';

/** On disk: a tmpfs is its own page cache. */
const scratch = mkdtempSync('/var/tmp/cloister-page-cache-');
afterAll(() => rmSync(scratch, { recursive: true }));

const BYTES = 4 * 2 ** 20;
const IMAGE = testImage([busyboxLayer(), busyboxLayer(file('large', Buffer.alloc(BYTES, 'data')))]);

/** What the page cache has of one file of the image as each of many sandboxes sees it, once dropped and once read by the first. */
async function cachedIn(storage: 'overlay' | 'erofs' | 'copy', count: number): Promise<[number[], number[]]> {
  const root = join(scratch, storage);
  // Ends the sandboxes.
  await using host = new Host({ root, stateDir: join(root, 'state'), storage });
  const image = await importTestImage(host, IMAGE, 'localhost/large:1');
  const paths: string[] = [];
  for (let i = 0; i < count; i++) {
    const box = await Sandbox.create({ host, image });
    const running = box.exec(['/bin/busybox', 'sleep', '1000'], { timeout: Infinity });
    running.catch(() => undefined);
    const pid = await running.started;
    const found = (await box.processes()).find((each) => each.pid === pid);
    paths.push(`/proc/${found?.hostPid}/root/large`);
  }
  return await readShared(paths);
}

test.each(['overlay', 'erofs'] as const)(
  'a hundred sandboxes of one image share its page cache: %s',
  async (storage) => {
    const [dropped, read] = await cachedIn(storage, 100);
    expect(dropped).toEqual(Array(100).fill(0));
    expect(read).toEqual(Array(100).fill(BYTES));
  },
);

test('copies share nothing', async () => {
  expect(await cachedIn('copy', 3)).toEqual([
    [0, 0, 0],
    [BYTES, 0, 0],
  ]);
});
