import { CloisterError } from '../errors.js';
import type { Descriptor } from './descriptor.js';
import { isConfigType, isManifestType } from './media-types.js';
import { formatPlatform, type Platform } from './platform.js';

type Machine = readonly [architecture: string, variant: string | undefined];

function versionsDownTo(last: number, variant: string | undefined): string[] {
  const top = Number(/^v(\d)$/.exec(variant ?? '')?.[1] ?? Number.NaN);
  return Array.from({ length: Math.max(0, top - last) }, (_, index) => `v${top - 1 - index}`);
}

/** `v8.2` runs what is made for 8.1 and 8; v9.n is v8.(n + 5) with more. */
function arm64Variants(variant: string | undefined): (string | undefined)[] {
  const [, major, minor] = /^v([89])(?:\.(\d))?$/.exec(variant ?? 'v8') ?? [];
  if (major === undefined) return [];
  const steps = (version: string, from: number): (string | undefined)[] =>
    Array.from({ length: Math.max(0, from) }, (_, index) => {
      const lower = from - 1 - index;
      if (lower > 0) return `v${version}.${lower}`;
      return version === '8' ? undefined : `v${version}`;
    });
  const top = Number(minor ?? 0);
  return major === '8' ? steps('8', top) : [...steps('9', top), ...steps('8', top + 6)];
}

/** What a machine can run, the best first, as containerd orders it. */
function machines({ architecture, variant }: Platform): readonly Machine[] {
  const itself: Machine = [architecture, variant];
  if (architecture === 'amd64') {
    const lower = versionsDownTo(1, variant).map((each): Machine => ['amd64', each === 'v1' ? undefined : each]);
    return [itself, ...lower, ['386', undefined]];
  }
  if (architecture === 'arm') return [itself, ...versionsDownTo(5, variant).map((each): Machine => ['arm', each])];
  if (architecture === 'arm64') {
    const lower = arm64Variants(variant).map((each): Machine => ['arm64', each]);
    return [itself, ...lower, ...['v8', 'v7', 'v6', 'v5'].map((each): Machine => ['arm', each])];
  }
  return [itself];
}

/**
 * How well a machine runs an image: 0 is best, more is worse, undefined is not at all. The version of the operating system
 * means nothing for Linux; what an image asks of its features must be there.
 */
export function platformRank(machine: Platform, image: Platform): number | undefined {
  if (image.os !== machine.os || image.os === 'unknown') return undefined;
  if (!image.osFeatures.every((feature) => machine.osFeatures.includes(feature))) return undefined;
  if (machine.os === 'windows' && machine.osVersion !== undefined && machine.osVersion !== image.osVersion)
    return undefined;
  const rank = machines(machine).findIndex(
    ([architecture, variant]) => architecture === image.architecture && variant === image.variant,
  );
  return rank < 0 ? undefined : rank;
}

/** Signatures, SBOMs and provenance that build tools put beside the images they describe. */
function isAttestation({ artifactType, annotations }: Descriptor): boolean {
  const isArtifact = artifactType !== undefined && !isConfigType(artifactType);
  return isArtifact || annotations['vnd.docker.reference.type'] === 'attestation-manifest';
}

/** A descriptor without platform may be anything: it is the last choice. */
const UNNAMED = Number.MAX_SAFE_INTEGER;

function rankOf(descriptor: Descriptor, machine: Platform): number | undefined {
  if (!isManifestType(descriptor.mediaType) || isAttestation(descriptor)) return undefined;
  return descriptor.platform === undefined ? UNNAMED : platformRank(machine, descriptor.platform);
}

/**
 * The descriptor of an index that this machine runs best; the first of equals.
 *
 * @throws CloisterError `ERR_PLATFORM_NOT_FOUND`, listing what there is.
 */
export function choosePlatform(descriptors: readonly Descriptor[], machine: Platform, subject: string): Descriptor {
  let best: { readonly descriptor: Descriptor; readonly rank: number } | undefined;
  for (const descriptor of descriptors) {
    const rank = rankOf(descriptor, machine);
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { descriptor, rank };
  }
  if (best !== undefined) return best.descriptor;
  throw noPlatform(
    descriptors.flatMap(({ platform }) => platform ?? []),
    machine,
    subject,
  );
}

/** @param there - what the image is made for. */
export function noPlatform(there: readonly Platform[], machine: Platform, subject: string): CloisterError {
  const names = [...new Set(there.map(formatPlatform))].filter((name) => !name.startsWith('unknown/'));
  const list = names.length > 20 ? [...names.slice(0, 20), `${names.length - 20} more`] : names;
  return new CloisterError(
    'ERR_PLATFORM_NOT_FOUND',
    `${subject}: expected an image for ${formatPlatform(machine)}, there are ${list.length === 0 ? 'none' : list.join(', ')}`,
    { subject, ...(list.length === 0 ? {} : { hint: "ask for one of them with the option 'platform'" }) },
  );
}
