import { CloisterError } from '../../errors.js';
import { splitDigest, type Digest } from '../../shared/digest.js';
import { makeDescriptor, type Descriptor } from '../descriptor.js';
import { parseManifest, type Manifest } from '../manifest.js';
import { MEDIA_TYPE } from '../media-types.js';
import { withTag, type Repository } from '../reference.js';
import { digestOf } from './digest-check.js';
import type { Call, Endpoint } from './endpoint.js';
import { readPages } from './lists.js';
import { getManifest, putManifest } from './manifests.js';

/**
 * The tag under which clients keep the list of what refers to a manifest, at registries that keep none.
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema
 */
export function referrersTag(digest: Digest): string {
  const [algorithm, hex] = splitDigest(digest);
  return `${algorithm.slice(0, 32)}-${hex.slice(0, 64)}`;
}

function isNotFound(error: unknown): boolean {
  return CloisterError.is(error) && error.code === 'ERR_IMAGE_NOT_FOUND';
}

function entriesOf(manifest: Manifest): readonly Descriptor[] {
  return manifest.kind === 'index' ? manifest.manifests : [];
}

/** Undefined for a registry without such lists. */
async function listByApi(
  endpoint: Endpoint,
  { repository }: Repository,
  digest: Digest,
  artifactType: string | undefined,
  signal: AbortSignal | undefined,
): Promise<readonly Descriptor[] | undefined> {
  const call: Call = {
    what: `list referrers of ${digest}`,
    repository,
    method: 'GET',
    path: `referrers/${digest}`,
    query: artifactType === undefined ? {} : { artifactType },
    headers: { accept: MEDIA_TYPE.ociIndex },
    access: [{ repository, actions: ['pull'] }],
    expect: [200],
    signal,
  };
  try {
    const subject = endpoint.describe(call);
    return await readPages(endpoint, call, (bytes) => entriesOf(parseManifest(bytes, MEDIA_TYPE.ociIndex, subject)));
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** The list that clients keep; undefined when there is none yet. */
async function readTagged(endpoint: Endpoint, repository: Repository, digest: Digest, signal: AbortSignal | undefined) {
  try {
    return await getManifest(endpoint, withTag(repository, referrersTag(digest)), {
      accept: [MEDIA_TYPE.ociIndex],
      signal,
    });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** What refers to a manifest: signatures, SBOMs, attestations. Empty when nothing does. */
export async function listReferrers(
  endpoint: Endpoint,
  repository: Repository,
  digest: Digest,
  artifactType: string | undefined,
  signal: AbortSignal | undefined,
): Promise<readonly Descriptor[]> {
  const byApi = await listByApi(endpoint, repository, digest, artifactType, signal);
  const tagged = byApi === undefined ? await readTagged(endpoint, repository, digest, signal) : undefined;
  const all = byApi ?? (tagged === undefined ? [] : entriesOf(tagged.manifest));
  // A registry may leave the filter to us.
  return all.filter((each) => artifactType === undefined || each.artifactType === artifactType);
}

/** One referring manifest as the list names it. */
function entryFor(descriptor: Descriptor, manifest: Manifest): Readonly<Record<string, unknown>> {
  const { mediaType, digest, size } = descriptor;
  const artifactType = manifest.artifactType ?? (manifest.kind === 'manifest' ? manifest.config.mediaType : undefined);
  return { mediaType, digest, size, artifactType, annotations: manifest.annotations };
}

async function rewriteTagged(
  endpoint: Endpoint,
  repository: Repository,
  subject: Digest,
  change: (entries: readonly { readonly digest?: unknown }[]) => readonly unknown[] | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const tagged = await readTagged(endpoint, repository, subject, signal);
  // As they are written: fields that are unknown here stay.
  const document =
    tagged === undefined ? {} : (JSON.parse(new TextDecoder().decode(tagged.bytes)) as { manifests?: [] });
  const manifests = change(document.manifests ?? []);
  if (manifests === undefined) return;
  const index = { ...document, schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests };
  const bytes = new TextEncoder().encode(JSON.stringify(index));
  const descriptor = makeDescriptor({ mediaType: MEDIA_TYPE.ociIndex, digest: digestOf(bytes), size: bytes.length });
  await putManifest(endpoint, withTag(repository, referrersTag(subject)), descriptor, bytes, signal);
}

/** Notes a new referrer, for a registry that does not do so itself. */
export async function addReferrer(
  endpoint: Endpoint,
  repository: Repository,
  subject: Digest,
  descriptor: Descriptor,
  manifest: Manifest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const change = (entries: readonly { readonly digest?: unknown }[]) =>
    entries.some(({ digest }) => digest === descriptor.digest)
      ? undefined
      : [...entries, entryFor(descriptor, manifest)];
  await rewriteTagged(endpoint, repository, subject, change, signal);
}

/** Forgets a referrer that was deleted. */
export async function removeReferrer(
  endpoint: Endpoint,
  repository: Repository,
  subject: Digest,
  referrer: Digest,
  signal: AbortSignal | undefined,
): Promise<void> {
  if ((await listByApi(endpoint, repository, subject, undefined, signal)) !== undefined) return;
  const change = (entries: readonly { readonly digest?: unknown }[]) => {
    const left = entries.filter(({ digest }) => digest !== referrer);
    return left.length === entries.length ? undefined : left;
  };
  await rewriteTagged(endpoint, repository, subject, change, signal);
}
