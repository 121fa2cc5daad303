// An application that pulls and removes images without end, many at a time, in a store that others use, until a test kills it.
// usage: store-app.mjs ROOT REGISTRY KEPT DROPPED SEED     images REGISTRY/kept:0 … are only pulled, REGISTRY/dropped:0 … removed, too
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { openImages } from '../../dist/image/image-context.js';
import { pullImage } from '../../dist/image/pull.js';
import { parseReference } from '../../dist/image/reference.js';
import { RegistryClient } from '../../dist/image/registry/client.js';
import { pruneImages, removeImage } from '../../dist/image/remove.js';
import { nativeParts } from '../../dist/native/addon.js';
import { OverlaySnapshotter } from '../../dist/rootfs/overlay.js';

const [root, registry, kept, dropped, seed] = process.argv.slice(2);
const AT_A_TIME = 25;

const layers = new OverlaySnapshotter(join(root, 'layers/overlay'));
const images = openImages(root, (...range) => nativeParts().addon.lockRange(...range), layers);
const client = new RegistryClient({ useCredentialFiles: false });

let state = Number(seed);
/** Below `end`; the same numbers for the same seed, Numerical Recipes' generator. */
function random(end) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * end);
}

/** At once: what is said is true whatever comes next. */
const say = (...words) => writeSync(1, `${words.join(' ')}\n`);

async function pull(name) {
  await pullImage(images, client, parseReference(`${registry}/${name}`));
  say('pulled', name);
}

async function remove(name) {
  try {
    await removeImage(images, `${registry}/${name}`);
    say('removed', name);
  } catch (error) {
    if (error.code !== 'ERR_IMAGE_NOT_FOUND') throw error;
  }
}

async function work() {
  for (;;) {
    const what = random(10);
    if (what < 3) await pull(`kept:${random(Number(kept))}`);
    else if (what < 6) await pull(`dropped:${random(Number(dropped))}`);
    else if (what < 9) await remove(`dropped:${random(Number(dropped))}`);
    else await pruneImages(images);
  }
}

say('started');
for (let i = 0; i < AT_A_TIME; i++) work().catch((error) => say('failed', error.code, error.message));
