import { invalidOption } from '../errors.js';
import { listImages, recordsOf } from '../image/find-image.js';
import type { ImageContext } from '../image/image-context.js';
import { parseReference } from '../image/reference.js';
import { pruneImages, removeImage, type RemovedContent } from '../image/remove.js';
import { tagImage } from '../image/tag.js';
import { parseDigest } from '../shared/digest.js';
import { detailsOf, type ImageDetails } from './image-facts.js';
import { checkChosen, findChosen, type FoundImage } from './image-lookup.js';
import { checkBase, checkFlag, checkList, checkName } from './image-options.js';

/** Looks an image up. @param verb - for messages: `'looking for'`. */
export async function find(verb: string, option: string, image: unknown, options: unknown): Promise<FoundImage> {
  const chosen = checkChosen(option, image);
  const { host, signal } = checkBase(options, chosen.host);
  return host.images.use(`${verb} ${chosen.name}`, signal, async (tools) => ({
    host,
    stored: await findChosen(tools, chosen),
  }));
}

/** As `Image.inspect`. */
export async function inspect(image: unknown, options: unknown): Promise<ImageDetails> {
  const chosen = checkChosen('image', image);
  const { host, signal } = checkBase(options, chosen.host);
  return host.images.use(`inspecting ${chosen.name}`, signal, async (tools) =>
    detailsOf(tools.context, await findChosen(tools, chosen)),
  );
}

/** As `Image.list`. */
export async function list(options: unknown): Promise<readonly FoundImage[]> {
  const { host, signal, labels } = checkList(options);
  const wanted = Object.entries(labels);
  return host.images.use('listing images', signal, async ({ context }) => {
    const images = await listImages(context);
    return images
      .filter(({ config }) => wanted.every(([key, value]) => config.labels[key] === value))
      .map((stored) => ({ host, stored }));
  });
}

/** As `Image.tag`. */
export async function tag(image: unknown, name: unknown, options: unknown): Promise<FoundImage> {
  const chosen = checkChosen('image', image);
  const target = checkName('name', name);
  const { host, signal } = checkBase(options, chosen.host);
  return host.images.use(`tagging ${chosen.name}`, signal, async (tools) => {
    const found = await findChosen(tools, chosen);
    const stored = await tagImage(tools.context, found, target, tools.signal);
    const { reference, manifest } = stored.record;
    host.tell('image-tagged', { reference, digest: manifest.digest, source: found.record.reference });
    return { host, stored };
  });
}

/** In full; by a digest, when only one name stands for it. @throws CloisterError `ERR_INVALID_OPTION` */
async function nameToRemove(context: ImageContext, name: string): Promise<string> {
  const exact = parseDigest(name) ?? parseReference(name).toString();
  if ((await context.names.get(exact)) !== undefined) return exact;
  const [found = exact, ...more] = (await recordsOf(context, name)).map(({ reference }) => reference);
  if (more.length === 0) return found;
  throw invalidOption('image', `one name; ${[found, ...more].join(', ')} stand for it`, name);
}

/** As `Image.remove`. */
export async function remove(image: unknown, options: unknown): Promise<RemovedContent> {
  const { name, record, host: own } = checkChosen('image', image);
  const { host, signal, flag: force } = checkFlag(options, 'force', own);
  return host.images.use(`removing ${name}`, signal, async (tools) => {
    const reference = record?.reference ?? (await nameToRemove(tools.context, name));
    const manifest = record?.manifest.digest;
    const removed = await removeImage(tools.context, reference, { force, manifest, signal: tools.signal });
    host.tell('image-removed', { reference });
    return removed;
  });
}

/** As `Image.prune`. */
export async function prune(options: unknown): Promise<RemovedContent> {
  const { host, signal, flag: all } = checkFlag(options, 'all');
  return host.images.use('pruning images', signal, async (tools) => {
    const removed = await pruneImages(tools.context, { all, signal: tools.signal });
    for (const reference of removed.references) host.tell('image-removed', { reference });
    return removed;
  });
}
