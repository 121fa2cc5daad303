import { readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { invalidOption } from '../errors.js';

/**
 * What an image runs on, in Go's names, normalized.
 * @see https://github.com/opencontainers/image-spec/blob/main/image-index.md#platform-variants
 */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** Of the processor: `v7`. Undefined for the usual one: `v8` of arm64, `v1` of amd64. */
  readonly variant: string | undefined;
  /** Means something for Windows only. */
  readonly osVersion: string | undefined;
  readonly osFeatures: readonly string[];
}

/** Names that other tools use, and what they say of the variant. @see https://github.com/containerd/platforms */
const ARCHITECTURE_ALIASES: Readonly<Record<string, readonly [architecture: string, variant?: string]>> = {
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  x64: ['amd64'],
  i386: ['386', ''],
  i686: ['386', ''],
  aarch64: ['arm64'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
  ppc64el: ['ppc64le'],
  loongarch64: ['loong64'],
};

/** The variant that goes without saying. */
const USUAL_VARIANTS: Readonly<Record<string, string>> = { amd64: 'v1', arm64: 'v8' };

const OPERATING_SYSTEMS =
  'aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris wasip1 windows zos'.split(
    ' ',
  );

const ARCHITECTURES = '386 amd64 arm arm64 loong64 mips mipsle mips64 mips64le ppc64 ppc64le riscv64 s390x wasm'.split(
  ' ',
);

function lookUp<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function normalizeVariant(architecture: string, variant: string): string | undefined {
  const full = /^\d/.test(variant) ? `v${variant}` : variant;
  if (architecture === 'arm') return full === '' ? 'v7' : full;
  return full === '' || full === lookUp(USUAL_VARIANTS, architecture) ? undefined : full;
}

/** Brings other spellings of a platform to one; `x86_64` is `amd64`, `arm` is `arm/v7`, `arm64/v8` is `arm64`. */
export function normalizePlatform(platform: {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
  readonly osVersion?: string | undefined;
  readonly osFeatures?: readonly string[] | undefined;
}): Platform {
  const os = platform.os.toLowerCase();
  const written = platform.architecture.toLowerCase();
  const [architecture, implied] = lookUp(ARCHITECTURE_ALIASES, written) ?? [written];
  return Object.freeze({
    os: os === 'macos' ? 'darwin' : os,
    architecture,
    variant: normalizeVariant(architecture, implied ?? platform.variant?.toLowerCase() ?? ''),
    osVersion: platform.osVersion,
    osFeatures: Object.freeze([...new Set(platform.osFeatures ?? [])].sort()),
  });
}

/**
 * `linux/arm/v7`, `linux/amd64`, or the half of it that is not as on this host: `arm64`, `linux`.
 *
 * @throws CloisterError `ERR_INVALID_OPTION`
 */
export function parsePlatform(text: string): Platform {
  const parts = typeof text === 'string' ? text.split('/') : [];
  const [first = '', second, third] = parts;
  const refusal = invalidOption('platform', "a platform such as 'linux/amd64' or 'linux/arm/v7'", text);
  const isWellFormed =
    parts.length > 0 && parts.length <= 3 && parts.every((part) => /^[a-z0-9][\w.-]{0,63}$/i.test(part));
  if (!isWellFormed || first.toLowerCase() === 'unknown') throw refusal;
  if (second !== undefined) return normalizePlatform({ os: first, architecture: second, variant: third });
  const host = hostPlatform();
  const os = normalizePlatform({ os: first, architecture: '' }).os;
  if (OPERATING_SYSTEMS.includes(os)) return normalizePlatform({ ...host, os });
  const platform = normalizePlatform({ os: host.os, architecture: first });
  if (!ARCHITECTURES.includes(platform.architecture)) throw refusal;
  return platform;
}

/** `linux/arm/v7` */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter((part) => part !== undefined && part !== '').join('/');
}

/** Processor features that each level of x86-64 adds. @see https://gitlab.com/x86-psABIs/x86-64-ABI */
const X86_64_LEVELS = [
  ['cx16', 'lahf_lm', 'popcnt', 'pni', 'sse4_1', 'sse4_2', 'ssse3'],
  ['avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'abm', 'movbe', 'xsave'],
  ['avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl'],
];

/** `v1` to `v4`, from the text of /proc/cpuinfo. */
export function x86Level(cpuinfo: string): string {
  const flags = new Set(/^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.trim().split(/\s+/));
  const missing = X86_64_LEVELS.findIndex((level) => !level.every((flag) => flags.has(flag)));
  return `v${(missing < 0 ? X86_64_LEVELS.length : missing) + 1}`;
}

function readCpuinfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'latin1');
  } catch {
    return '';
  }
}

function armVersion(): string {
  const version = (process.config.variables as { readonly arm_version?: unknown }).arm_version;
  return typeof version === 'string' || typeof version === 'number' ? `v${version}` : 'v7';
}

const GO_NAMES: Readonly<Partial<Record<NodeJS.Architecture, string>>> = {
  x64: 'amd64',
  ia32: '386',
  mipsel: 'mipsle',
};

let host: Platform | undefined;

/** This machine. Its amd64 variant is the highest level that the processor has, so that images made for it are preferred. */
export function hostPlatform(): Platform {
  if (host !== undefined) return host;
  const { arch } = process;
  const architecture = arch === 'ppc64' && endianness() === 'LE' ? 'ppc64le' : (GO_NAMES[arch] ?? arch);
  const variant = arch === 'x64' ? x86Level(readCpuinfo()) : arch === 'arm' ? armVersion() : undefined;
  host = normalizePlatform({ os: 'linux', architecture, variant });
  return host;
}
