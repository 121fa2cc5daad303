import { makeDescriptor, type Descriptor } from '../descriptor.js';
import { parseManifest } from '../manifest.js';
import type { Reference } from '../reference.js';
import { digestOf } from './digest-check.js';
import type { Endpoint } from './endpoint.js';
import { mismatch } from './failure.js';
import { deleteManifest, getManifest, putManifest } from './manifests.js';
import { addReferrer, removeReferrer } from './referrers.js';

/** Stores a manifest; where the registry keeps no list of what refers to its `subject`, it is added to ours. */
export async function storeManifest(
  endpoint: Endpoint,
  reference: Reference,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<Descriptor> {
  const manifest = parseManifest(bytes, undefined, reference.toString());
  const descriptor = makeDescriptor({ mediaType: manifest.mediaType, digest: digestOf(bytes), size: bytes.length });
  const { digest } = reference;
  if (digest !== undefined && digestOf(bytes, digest.startsWith('sha512') ? 'sha512' : 'sha256') !== digest)
    throw mismatch(`put manifest ${digest}`, `the content is ${descriptor.digest}`, digest);
  const knowsSubject = await putManifest(endpoint, reference, descriptor, bytes, signal);
  if (manifest.subject !== undefined && !knowsSubject)
    await addReferrer(endpoint, reference, manifest.subject.digest, descriptor, manifest, signal);
  return descriptor;
}

/** Deletes a manifest or a tag; a manifest leaves the list of what refers to its `subject`. */
export async function removeManifest(
  endpoint: Endpoint,
  reference: Reference,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { digest } = reference;
  const subject =
    digest === undefined ? undefined : (await getManifest(endpoint, reference, { signal })).manifest.subject;
  await deleteManifest(endpoint, reference, signal);
  if (subject !== undefined && digest !== undefined)
    await removeReferrer(endpoint, reference, subject.digest, digest, signal);
}
