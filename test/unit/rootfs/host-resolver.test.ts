import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { hostResolver } from '../../../lib/rootfs/host-resolver.js';

const scratch = mkdtempSync(join(tmpdir(), 'cloister-test-'));
afterAll(() => rmSync(scratch, { recursive: true }));

test('the texts themselves, also behind a link that leads nowhere inside', () => {
  writeFileSync(join(scratch, 'stub'), 'nameserver 127.0.0.53\n');
  symlinkSync(join(scratch, 'stub'), join(scratch, 'resolv.conf'));
  writeFileSync(join(scratch, 'hosts'), '10.1.1.1 db\n');
  expect(hostResolver(scratch)).toEqual({ 'resolv.conf': 'nameserver 127.0.0.53\n', hosts: '10.1.1.1 db\n' });
});

test('what not everybody may read, what is no file and what is not there stay as for every sandbox', () => {
  const etc = join(scratch, 'etc');
  mkdirSync(join(etc, 'resolv.conf'), { recursive: true });
  writeFileSync(join(etc, 'hosts'), 'secret');
  chmodSync(join(etc, 'hosts'), 0o600);
  expect(hostResolver(etc)).toEqual({});
  expect(hostResolver(join(scratch, 'none'))).toEqual({});
});
