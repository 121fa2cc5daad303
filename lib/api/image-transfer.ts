import { pushImage } from '../image/push.js';
import { parseReference } from '../image/reference.js';
import type { Digest } from '../shared/digest.js';
import { checkChosen, findChosen, type FoundImage } from './image-lookup.js';
import { checkPull, checkPush } from './image-options.js';

/** What a registry has by a name now. */
export interface PushedImage {
  /** In full. */
  readonly reference: string;
  /** Of the manifest, or of the index. */
  readonly digest: Digest;
}

/** As `Image.pull`. */
export async function pull(reference: unknown, options: unknown): Promise<FoundImage> {
  const { host, signal, auth, transfer, reference: parsed } = checkPull(reference, options);
  const { images } = host;
  return images.use(`pulling ${parsed.toString()}`, signal, async (tools) => {
    const client = auth === undefined ? tools.client : tools.client.withCredentials(parsed.registry, auth);
    return { host, stored: await images.pull({ ...tools, client }, parsed, transfer) };
  });
}

/** As `Image.push`. */
export async function push(image: unknown, options: unknown): Promise<PushedImage> {
  const chosen = checkChosen('image', image);
  const { host, signal, to, auth, transfer } = checkPush(options, chosen.host);
  return host.images.use(`pushing ${chosen.name}`, signal, async (tools) => {
    const stored = await findChosen(tools, chosen);
    const target = to ?? parseReference(stored.record.reference);
    const client = auth === undefined ? tools.client : tools.client.withCredentials(target.registry, auth);
    const { digest } = await pushImage(tools.context, client, stored, target, { ...transfer, signal: tools.signal });
    const pushed = { reference: target.toString(), digest };
    host.tell('image-pushed', pushed);
    return pushed;
  });
}
