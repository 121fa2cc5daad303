import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseReference } from '../../../../lib/image/reference.js';
import { RegistryClient } from '../../../../lib/image/registry/client.js';
import { Host, Sandbox } from '../../../../lib/index.js';
import { busyboxLayer } from '../../../support/busybox-image.js';
import { startRegistry, type TestRegistry } from '../../../support/registry.js';
import { archive, directory, file } from '../../../support/tar.js';
import { publish, testImage } from '../../../support/test-image.js';

const scratch = mkdtempSync('/var/tmp/cloister-overlay-options-');
const host = new Host({
  root: join(scratch, 'root'),
  stateDir: join(scratch, 'state'),
  storage: 'overlay',
  registries: { useCredentialFiles: false },
});
const image = testImage([
  busyboxLayer(directory('kept'), file('kept/secret', 'of another path\n'), file('whole', 'all of it\n')),
  archive(directory('shown'), file('whole', 'only its attributes\n')),
]);
let registry: TestRegistry;
let reference: string;

beforeAll(async () => {
  registry = await startRegistry();
  reference = `${registry.host}/overlay/options:1`;
  const client = new RegistryClient({ useCredentialFiles: false });
  await publish(client, parseReference(reference), image);
  await client.close();
  expect((await run('true')).exitCode).toBe(0);
});

afterAll(async () => {
  await host.close();
  await registry[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

const run = (script: string) => Sandbox.run(['sh', '-c', script], { image: reference, host });

/** An attribute that no archive brings in, as if somebody had got it into a stored layer all the same. */
function plant(path: string, name: string, value: string): void {
  const tree = join(scratch, 'root/layers/overlay/sha256', image.diffIds[1]!.slice(7), 'tree', path);
  execFileSync('setfattr', ['-n', name, '-v', value, tree]);
}

test.each(['image', 'host'])('every overlay of a root has the options: %s', async (from) => {
  const options = from === 'host' ? { host } : { host, image: reference };
  const { stdout } = await Sandbox.run(['cat', '/proc/self/mountinfo'], options);
  const overlays = stdout.split('\n').filter((line) => line.includes(' - overlay '));
  expect(overlays.length).toBeGreaterThan(0);
  for (const line of overlays) expect(line).toContain('redirect_dir=nofollow');
});

test('a redirect in a layer leads nowhere', async () => {
  plant('shown', 'trusted.overlay.redirect', '/kept');
  const { stdout, stderr } = await run('ls /shown; cat /kept/secret');
  expect(stdout).toBe('of another path\n');
  expect(stderr).toContain('Operation not permitted');
});

test('a file of a layer that wants the data of another one cannot be read', async () => {
  plant('whole', 'trusted.overlay.metacopy', '');
  const { stdout, stderr } = await run('cat /whole');
  expect(stdout).toBe('');
  expect(stderr).toContain('Operation not permitted');
});

test('a directory of a layer cannot be renamed: it would be a redirect; its copy is whole', async () => {
  await using box = await Sandbox.create({ image: reference, host });
  const { stderr } = await box.exec(['sh', '-c', 'mv /kept /moved && cat /moved/secret']);
  expect(stderr).toBe('');
});
