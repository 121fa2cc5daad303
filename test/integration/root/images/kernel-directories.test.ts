import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Host, Image, Sandbox, type CloisterError } from '../../../../lib/index.js';
import { mountsBelow } from '../../../support/attack.js';
import { rejection } from '../../../support/rejection.js';
import { archive, directory, entry, file, symlink } from '../../../support/tar.js';

const root = mkdtempSync('/var/tmp/cloister-kernel-directories-');
const hosts: Host[] = [];

afterAll(async () => {
  for (const host of hosts) await host.close();
  rmSync(root, { recursive: true });
});

/** What an image may have where the kernel's file systems go. */
const OTHERS: Readonly<Record<string, (path: string) => Buffer>> = {
  'a file': (path) => file(path, 'x'),
  'a link to nothing': (path) => symlink(path, 'nowhere'),
  'a link to a file': (path) => symlink(path, 'bin/busybox'),
  'a FIFO': (path) => entry({ path, type: '6' }),
};

async function importWith(host: Host, path: string, other: Buffer): Promise<Image> {
  const rest = ['dev', 'proc', 'sys'].filter((name) => name !== path).map((name) => directory(name));
  const source = (async function* () {
    yield archive(directory('bin'), file('bin/busybox', readFileSync('/bin/busybox'), { mode: 0o755 }), ...rest, other);
  })();
  return Image.import(source, `me/${path}:1`, { host });
}

describe.each(['overlay', 'erofs', 'copy'] as const)('%s', (storage) => {
  const at = join(root, storage);
  const host = new Host({ root: at, stateDir: join(root, 'state'), storage });
  hosts.push(host);

  test.each(Object.keys(OTHERS).flatMap((kind) => ['dev', 'proc', 'sys'].map((path) => [path, kind] as const)))(
    '/%s is %s: the image is refused, and nothing is left',
    async (path, kind) => {
      const image = await importWith(host, path, OTHERS[kind]!(path));
      const refusals: CloisterError[] = [];
      for (const writable of ['memory', 'disk'] as const) {
        const options = { image, host, ...(storage === 'copy' ? {} : { writable }) };
        refusals.push(await rejection(Sandbox.run(['/bin/busybox', 'true'], options)));
        refusals.push(await rejection(Sandbox.create(options)));
      }
      for (const error of refusals) {
        expect(error).toMatchObject({ code: 'ERR_IMAGE_INVALID', subject: path });
        expect(error.message).toContain(`/${path} is no directory in the sandbox's root`);
        expect(error.hint).toContain('or not at all');
      }
      const drafts = storage === 'copy' ? 'layers/copy/drafts' : 'writable';
      await expect.poll(() => readdirSync(join(at, drafts), { recursive: true }).length).toBe(0);
      expect(mountsBelow(root)).toEqual([]);
      expect([...host.sandboxes.all()]).toEqual([]);
    },
  );
});
