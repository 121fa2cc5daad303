import { createHash, type Hash } from 'node:crypto';
import { parseDigest, splitDigest, type Digest, type DigestAlgorithm } from '../../shared/digest.js';

/** A hash of the kind that a digest is of. */
export function hashFor(digest: Digest): Hash {
  return createHash(splitDigest(digest)[0]);
}

export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

/** Whether bytes are those that a digest is of. */
export function hasDigest(bytes: Uint8Array, digest: Digest): boolean {
  return digestOf(bytes, splitDigest(digest)[0]) === digest;
}

/** What a registry says in `Docker-Content-Digest`; it is a claim, to be held against the content. */
export function claimedDigest(header: string | undefined): Digest | undefined {
  return parseDigest(header?.trim());
}
