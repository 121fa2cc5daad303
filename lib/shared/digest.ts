/** A content address as the OCI image specification writes it: `sha256:` and 64 hexadecimal digits. */
export type Digest = `${DigestAlgorithm}:${string}`;
/** Those that the OCI image specification registers and that are read here. */
export type DigestAlgorithm = 'sha256' | 'sha512';

const HEX_DIGITS: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };

/**
 * Undefined for what is no digest, or one of an algorithm that is not registered.
 * @see https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
 */
export function parseDigest(value: unknown): Digest | undefined {
  if (typeof value !== 'string') return undefined;
  const [, algorithm, hex] = /^(sha256|sha512):([0-9a-f]+)$/.exec(value) ?? [];
  if (algorithm === undefined || hex?.length !== HEX_DIGITS[algorithm as DigestAlgorithm]) return undefined;
  return value as Digest;
}

/** `['sha256', '0a1b…']`, as directories of a content store are named. */
export function splitDigest(digest: Digest): [algorithm: DigestAlgorithm, hex: string] {
  return digest.split(':') as [DigestAlgorithm, string];
}
