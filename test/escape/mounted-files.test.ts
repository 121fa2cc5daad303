import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Sandbox, Volume } from '../../lib/index.js';
import { makeLab, sh } from '../support/attack.js';

const lab = makeLab();

/** A file stands on a file while its mount is locked, and the root it goes to may lack it. */
test('a mount of a single file stays as it is, also for CAP_SYS_ADMIN', async () => {
  const path = join(lab, 'alone');
  writeFileSync(path, 'of the host\n');
  await using box = await Sandbox.create({
    mounts: [Volume.bind(path, '/etc/alone', { readonly: true }), Volume.bind(path, '/tmp/own')],
    security: { capabilities: { add: ['SYS_ADMIN'] } },
  });
  const line = `
    exec 2>/dev/null
    for flags in remount,bind,rw,dev,suid remount,rw; do mount -o $flags /etc/alone && echo remounted; done
    : > /tmp/copy; mount --bind /etc/alone /tmp/copy && mount -o remount,bind,rw /tmp/copy && echo copied
    echo changed > /etc/alone && echo wrote; echo changed > /tmp/copy && echo wrote
    cat /etc/alone; echo through > /tmp/own`;
  expect((await box.exec(sh(line))).stdout).toBe('of the host\n');
  expect(readFileSync(path, 'utf8')).toBe('through\n');
});
