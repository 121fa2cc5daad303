import type { CloisterError } from '../../errors.js';
import type { Digest } from '../../shared/digest.js';
import { makeDescriptor, type Descriptor } from '../descriptor.js';
import { MAX_MANIFEST_BYTES, parseManifest, type Manifest } from '../manifest.js';
import { isManifestType, isSchema1Type, MANIFEST_TYPES } from '../media-types.js';
import { versionOf, type Reference } from '../reference.js';
import { claimedDigest, digestOf, hasDigest } from './digest-check.js';
import type { Call, Endpoint } from './endpoint.js';
import { clean, mismatch, misbehaviour } from './failure.js';
import type { HttpResponse } from './http/http-response.js';
import { mayPass } from './http/retry.js';

/** A manifest as the registry has it: these bytes, byte for byte, are what its digest is of. */
export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
}

/** How a manifest is asked for. */
export interface ManifestOptions {
  /** Media types that are welcome. Default: OCI's and Docker's manifests and indexes. */
  readonly accept?: readonly string[] | undefined;
  /** What is known already, from an index: size and media type are held against it. */
  readonly expected?: Descriptor | undefined;
  readonly signal?: AbortSignal | undefined;
}

function manifestCall(method: 'GET' | 'HEAD', reference: Reference, { accept, signal }: ManifestOptions): Call {
  const { repository } = reference;
  return {
    what: `get manifest ${versionOf(reference)}`,
    repository,
    method,
    path: `manifests/${versionOf(reference)}`,
    headers: { accept: (accept ?? MANIFEST_TYPES).join(', ') },
    access: [{ repository, actions: ['pull'] }],
    expect: [200],
    signal,
  };
}

/** What is said of a document before it is read; generic types say nothing. */
function announcedType(response: HttpResponse): string | undefined {
  const type = response.contentType;
  return type !== undefined && (isManifestType(type) || isSchema1Type(type)) ? type : undefined;
}

/** RFC 9110 8.4: none was asked for, and a digest is of what was not encoded. */
function encodingOf(response: HttpResponse): string | undefined {
  const encoding = response.headers('content-encoding').join(', ');
  return ['', 'identity'].includes(encoding.trim().toLowerCase()) ? undefined : encoding;
}

/** Bytes that were damaged on the way may come whole the next time. */
function damaged(what: string, problem: string, subject: string): CloisterError {
  return mayPass(mismatch(what, problem, subject));
}

function checkDigest(what: string, bytes: Uint8Array, wanted: Digest | undefined, claimed: Digest | undefined): Digest {
  for (const digest of [wanted, claimed]) {
    if (digest !== undefined && !hasDigest(bytes, digest))
      throw damaged(what, `expected ${digest}, got content of ${digestOf(bytes)}`, digest);
  }
  return wanted ?? digestOf(bytes);
}

async function readManifest(
  what: string,
  reference: Reference,
  { expected }: ManifestOptions,
  response: HttpResponse,
): Promise<FetchedManifest> {
  const encoding = encodingOf(response);
  if (encoding !== undefined) {
    await response.discard();
    const problem = `sends it with the content encoding ${JSON.stringify(clean(encoding, []))}, asked for none`;
    throw misbehaviour(what, response.url.host, problem);
  }
  const tooLong = (): Error => misbehaviour(what, response.url.host, `sends more than ${MAX_MANIFEST_BYTES} bytes`);
  const bytes = await response.bytes(MAX_MANIFEST_BYTES, tooLong);
  const { contentLength } = response;
  if (contentLength !== undefined && contentLength !== bytes.length)
    throw damaged(what, `expected ${contentLength} bytes, got ${bytes.length}`, reference.toString());
  const claimed = claimedDigest(response.header('docker-content-digest'));
  const digest = checkDigest(what, bytes, expected?.digest ?? reference.digest, claimed);
  if (expected !== undefined && expected.size !== bytes.length)
    throw mismatch(what, `expected ${expected.size} bytes, got ${bytes.length}`, digest);
  const manifest = parseManifest(bytes, expected?.mediaType ?? announcedType(response), reference.toString());
  const descriptor = expected ?? makeDescriptor({ mediaType: manifest.mediaType, digest, size: bytes.length });
  return Object.freeze({ descriptor, bytes, manifest });
}

/** GET; nothing of the answer is believed that does not follow from its content. */
export async function getManifest(
  endpoint: Endpoint,
  reference: Reference,
  options: ManifestOptions,
): Promise<FetchedManifest> {
  const call = manifestCall('GET', reference, options);
  const what = endpoint.describe(call);
  return endpoint.try(call, (response) => readManifest(what, reference, options, response));
}

/** Registries that do not know the method. Not 404: that is an answer. */
const NO_HEAD = [405, 501];

/** HEAD; falls back on GET for registries that do not say enough, or nothing at all. */
export async function headManifest(
  endpoint: Endpoint,
  reference: Reference,
  options: ManifestOptions,
): Promise<Descriptor> {
  const call = { ...manifestCall('HEAD', reference, options), expect: [200, ...NO_HEAD] };
  const found = await endpoint.try(call, async (response) => {
    await response.discard();
    if (response.status !== 200) return {};
    const digest = claimedDigest(response.header('docker-content-digest'));
    const size = encodingOf(response) === undefined ? response.contentLength : undefined;
    return { digest, size, mediaType: announcedType(response) };
  });
  const { digest, size, mediaType } = found;
  const isEnough = digest !== undefined && size !== undefined && mediaType !== undefined && isManifestType(mediaType);
  if (!isEnough) return (await getManifest(endpoint, reference, options)).descriptor;
  if (reference.digest !== undefined && reference.digest !== digest)
    throw mismatch(
      endpoint.describe(call),
      `expected ${reference.digest}, the registry has ${digest}`,
      reference.digest,
    );
  return makeDescriptor({ mediaType, digest, size });
}

/**
 * PUT.
 *
 * @returns whether the registry takes care of `subject` itself, and so has a list of referrers.
 */
export async function putManifest(
  endpoint: Endpoint,
  reference: Reference,
  descriptor: Descriptor,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { repository } = reference;
  const call: Call = {
    what: `put manifest ${versionOf(reference)}`,
    repository,
    method: 'PUT',
    path: `manifests/${versionOf(reference)}`,
    headers: { 'content-type': descriptor.mediaType, 'content-length': String(bytes.length) },
    body: () => bytes,
    access: [{ repository, actions: ['pull', 'push'] }],
    expect: [201],
    signal,
  };
  return endpoint.try(call, async (response) => {
    await response.discard();
    const claimed = claimedDigest(response.header('docker-content-digest'));
    if (claimed !== undefined && !hasDigest(bytes, claimed)) {
      throw mismatch(endpoint.describe(call), `sent ${descriptor.digest}, the registry stored ${claimed}`, claimed);
    }
    return response.header('oci-subject') !== undefined;
  });
}

/** DELETE; by tag where the registry can. */
export async function deleteManifest(
  endpoint: Endpoint,
  reference: Reference,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { repository } = reference;
  const call: Call = {
    what: `delete manifest ${versionOf(reference)}`,
    repository,
    method: 'DELETE',
    path: `manifests/${versionOf(reference)}`,
    access: [{ repository, actions: ['delete', 'pull'] }],
    expect: [202, 200, 204],
    signal,
  };
  await endpoint.try(call, (response) => response.discard());
}
