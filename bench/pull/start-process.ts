/**
 * Starts sandboxes of an image that is here, and of the host's own root in turns. Started by `contenders.ts`.
 *
 * usage: start-process.js ROOT STATE STORAGE REFERENCE COUNT
 */
import { Host, Sandbox, type SandboxOptions, type StorageDriver } from 'cloister';

/** Every start in milliseconds. */
export interface StartTimes {
  readonly image: readonly number[];
  readonly host: readonly number[];
}

const [root = '', stateDir = '', storage, image = '', count = '1'] = process.argv.slice(2);
const host = new Host({ root, stateDir, storage: storage as StorageDriver, registries: { useCredentialFiles: false } });

async function start(options: SandboxOptions): Promise<number> {
  const began = performance.now();
  const box = await Sandbox.create({ ...options, host });
  const ms = performance.now() - began;
  await box.remove();
  return ms;
}

const times = { image: [] as number[], host: [] as number[] };
// The first of each finds everything cold.
for (let i = -2; i < Number(count); i++) {
  const [ofImage, ofHost] = [await start({ image, pull: 'never' }), await start({})];
  if (i < 0) continue;
  times.image.push(ofImage);
  times.host.push(ofHost);
}
process.stdout.write(JSON.stringify(times satisfies StartTimes));
await host.close();
