import { loadImages } from '../image/archive/load.js';
import { saveImages } from '../image/archive/save.js';
import { expectFailure } from '../image/byte-source.js';
import { exportImage } from '../image/export.js';
import { importImage } from '../image/import.js';
import { checkChosen, checkSeveral, findChosen, type FoundImage } from './image-lookup.js';
import { checkBase, checkLoad, checkSave, checkSource, checkTarget } from './image-options.js';
import { checkImport } from './import-spec.js';

const pathOf = (place: unknown): string | undefined => (typeof place === 'string' ? place : undefined);

/** As `Image.save`. */
export async function save(images: unknown, target: unknown, options: unknown): Promise<void> {
  const chosen = checkSeveral(images);
  const to = checkTarget(target);
  const { host, signal, ...given } = checkSave(options, to, chosen[0]?.host);
  expectFailure(to);
  await host.images.use(`saving ${chosen.map(({ name }) => name).join(', ')}`, signal, async (tools) => {
    const found = await Promise.all(chosen.map((each) => findChosen(tools, each)));
    await saveImages(tools.context, found, to, { ...given, signal: tools.signal });
    for (const { record } of found)
      host.tell('image-saved', { reference: record.reference, digest: record.manifest.digest, path: pathOf(to) });
  });
}

/** As `Image.load`. */
export async function load(source: unknown, options: unknown): Promise<readonly FoundImage[]> {
  const from = checkSource(source);
  const { host, signal, load: given } = checkLoad(options);
  const path = pathOf(from);
  expectFailure(from);
  return host.images.use(`loading ${path ?? 'a stream'}`, signal, async (tools) => {
    const loaded = await loadImages(tools.context, from, { ...given, signal: tools.signal });
    for (const { record } of loaded)
      host.tell('image-loaded', { reference: record.reference, digest: record.manifest.digest, path });
    return loaded.map((stored) => ({ host, stored }));
  });
}

/** As `Image.import`. */
export async function importRoot(source: unknown, name: unknown, options: unknown): Promise<FoundImage> {
  const { host, signal, from, target, details } = checkImport(source, name, options);
  expectFailure(from);
  return host.images.use(`importing ${target.toString()}`, signal, async (tools) => {
    const stored = await importImage(tools.context, from, target, { ...details, signal: tools.signal });
    const { reference, manifest } = stored.record;
    host.tell('image-imported', { reference, digest: manifest.digest });
    return { host, stored };
  });
}

/** As `Image.export`. */
export async function exportRoot(image: unknown, target: unknown, options: unknown): Promise<void> {
  const chosen = checkChosen('image', image);
  const to = checkTarget(target);
  const { host, signal } = checkBase(options, chosen.host);
  expectFailure(to);
  await host.images.use(`exporting ${chosen.name}`, signal, async (tools) => {
    const stored = await findChosen(tools, chosen);
    await exportImage(tools.context, stored, to, tools.flatten, tools.signal);
    const { reference, manifest } = stored.record;
    host.tell('image-exported', { reference, digest: manifest.digest, path: pathOf(to) });
  });
}
