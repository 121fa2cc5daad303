import { loadImages } from '../image/archive/load.js';
import { saveImages } from '../image/archive/save.js';
import { expectFailure } from '../image/byte-source.js';
import { exportImage } from '../image/export.js';
import { importImage } from '../image/import.js';
import { checkChosen, checkSeveral, findChosen, type FoundImage } from './image-lookup.js';
import { checkBase, checkFilePath, checkLoad, checkSave, checkSource } from './image-options.js';
import { checkImport } from './import-spec.js';

/** As `Image.save`. */
export async function save(images: unknown, path: unknown, options: unknown): Promise<void> {
  const chosen = checkSeveral(images);
  const file = checkFilePath('path', path);
  const { host, signal, ...given } = checkSave(options, chosen[0]?.host);
  await host.images.use(`saving ${chosen.map(({ name }) => name).join(', ')}`, signal, async (tools) => {
    const found = await Promise.all(chosen.map((each) => findChosen(tools, each)));
    await saveImages(tools.context, found, file, { ...given, signal: tools.signal });
    for (const { record } of found)
      host.tell('image-saved', { reference: record.reference, digest: record.manifest.digest, path: file });
  });
}

/** As `Image.load`. */
export async function load(source: unknown, options: unknown): Promise<readonly FoundImage[]> {
  const from = checkSource(source);
  const { host, signal, load: given } = checkLoad(options);
  const path = typeof from === 'string' ? from : undefined;
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
export async function exportRoot(image: unknown, path: unknown, options: unknown): Promise<void> {
  const chosen = checkChosen('image', image);
  const file = checkFilePath('path', path);
  const { host, signal } = checkBase(options, chosen.host);
  await host.images.use(`exporting ${chosen.name}`, signal, async (tools) => {
    const stored = await findChosen(tools, chosen);
    await exportImage(tools.context, stored, file, tools.flatten, tools.signal);
    const { reference, manifest } = stored.record;
    host.tell('image-exported', { reference, digest: manifest.digest, path: file });
  });
}
