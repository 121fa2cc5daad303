import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Host, Image, Sandbox } from '../../../lib/index.js';

let base: string;
let readonly: string;

beforeAll(() => {
  base = mkdtempSync('/var/tmp/cloister-test-');
  readonly = join(base, 'readonly');
  mkdirSync(readonly);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'cloister-test', readonly]);
});

afterAll(() => {
  execFileSync('umount', [readonly]);
  rmSync(base, { recursive: true });
});

test.each(['root', 'stateDir'] as const)('a %s that cannot be written is an error of the library', async (option) => {
  const places = { root: join(base, 'root'), stateDir: join(base, 'state') };
  await using host = new Host({ ...places, [option]: join(readonly, 'x') });
  await expect(Sandbox.run(['true'], { host })).rejects.toMatchObject({
    code: 'ERR_KERNEL',
    errno: 'EROFS',
    subject: expect.stringContaining(readonly) as string,
    hint: expect.stringContaining('`stateDir`') as string,
  });
});

test('of images, too', async () => {
  await using host = new Host({ root: join(readonly, 'x') });
  await expect(Image.list({ host })).rejects.toMatchObject({ code: 'ERR_KERNEL', errno: 'EROFS' });
});

test.each(['host-root', 'ids'])('a file in the place of %s', async (name) => {
  const path = mkdtempSync(join(base, 'host-'));
  writeFileSync(join(path, name), '');
  await using host = new Host({ root: path, stateDir: path });
  await expect(Sandbox.run(['true'], { host })).rejects.toMatchObject({
    code: 'ERR_KERNEL',
    errno: 'EEXIST',
    subject: join(path, name),
  });
});
