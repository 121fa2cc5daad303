// Images without a registry: made of a root file system, tagged, saved, removed, loaded and run.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Host, Image, Sandbox } from 'cloister';

const directory = await mkdtemp(join(tmpdir(), 'cloister-images-'));
const host = new Host({ root: join(directory, 'root') });
const archive = join(directory, 'images.tar');

// Any program that needs no other files will do; busybox is one, and knows many names.
const root = await Sandbox.run(
  ['sh', '-c', 'mkdir -p /r/bin && cp /bin/busybox /r/bin && ln -s busybox /r/bin/sh && tar -C /r -c .'],
  { encoding: 'buffer' },
);
const source = (async function* () {
  yield root.stdout;
})();

const image = await Image.import(source, 'me/base:1', {
  host,
  config: { env: { GREETING: 'Hello from an image' }, cmd: ['/bin/sh', '-c', 'echo "$GREETING"'] },
});
await image.tag('me/base:latest');
await Image.save(['me/base:1', 'me/base'], archive, { format: 'docker', host });
await Image.prune({ all: true, host });
console.log(`${(await Image.list({ host })).length} images`);

for (const { reference } of await Image.load(archive, { host })) console.log(reference);
const { stdout } = await Sandbox.run([], { image: 'me/base', host, pull: 'never' });
process.stdout.write(stdout);

await host.close();
await rm(directory, { recursive: true });
