import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Host, Sandbox, Volume } from '../../../lib/index.js';

const scratch = mkdtempSync('/var/tmp/cloister-set-user-id-');
afterAll(async () => {
  await Host.default.close();
  rmSync(scratch, { recursive: true, force: true });
});

const SCRIPT = `cp /usr/bin/id /w/id && chmod 4755 /w/id && grep -o ' /w rw,nosuid' /proc/self/mountinfo`;

/** The ids that a program of the host has when nobody runs it. */
const asNobody = (program: string): string =>
  execFileSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', program], { encoding: 'utf8' });

async function make(name: string, userNamespace: 'auto' | 'host'): Promise<string> {
  const directory = join(scratch, name);
  const result = await Sandbox.run(['sh', '-c', SCRIPT], {
    security: { userNamespace },
    mounts: [Volume.bind(directory, '/w')],
  });
  expect(result).toMatchObject({ exitCode: 0, stdout: ' /w rw,nosuid\n' });
  return join(directory, 'id');
}

/** What docs/guide-security-options.md says of writable binds. */
test.each(['auto', 'host'] as const)('with the ids %s a set-user-id file in a bind is one of the host', async (ids) => {
  mkdirSync(join(scratch, ids));
  chmodSync(scratch, 0o755);
  const file = await make(ids, ids);
  expect(statSync(file)).toMatchObject({ uid: 0, mode: 0o104755 });
  expect(asNobody(file)).toContain('euid=0');

  const apart = join(scratch, `${ids}-nosuid`);
  mkdirSync(apart);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'nosuid', 'cloister-test', apart]);
  try {
    expect(asNobody(await make(`${ids}-nosuid`, ids))).not.toContain('euid=0');
  } finally {
    execFileSync('umount', [apart]);
  }
});
