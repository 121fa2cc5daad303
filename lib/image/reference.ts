import { CloisterError, invalidOption } from '../errors.js';
import { parseDigest, type Digest } from '../shared/digest.js';

/** Docker Hub as people write it; its registry answers at another name, see `registry/endpoint.ts`. */
export const DEFAULT_REGISTRY = 'docker.io';
const LEGACY_DEFAULT_REGISTRY = 'index.docker.io';
const OFFICIAL = 'library/';
const DEFAULT_TAG = 'latest';

/** Longer than any reference can be: 255 of a name, 128 of a tag, 135 of a digest and a host of 253 characters. */
const MAX_TEXT = 1024;
const MAX_REPOSITORY = 255;
const MAX_TAG = 128;

/** @see https://github.com/distribution/reference/blob/main/reference.go for the grammar. */
const HOST_LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const REGISTRY = new RegExp(`^(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const REPOSITORY = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const BARE_DIGEST = /^[a-f0-9]{64}$/;

/** One repository of one registry: all that most requests need to know of a reference. */
export interface Repository {
  /** Host and port, lower case or not as it was written: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly registry: string;
  /** Path inside the registry: `library/debian`. */
  readonly repository: string;
}

/** The name of an image, complete: what was left out has been filled in. Frozen. */
export interface Reference extends Repository {
  /** Undefined for a name that has a digest only. */
  readonly tag: string | undefined;
  /** Wins over the tag, which then is a note for people. */
  readonly digest: Digest | undefined;
  /** Without Docker's defaults, as people write it: `debian:12`. */
  readonly familiar: string;
  /** In full: `docker.io/library/debian:12`. */
  toString(): string;
}

function invalid(text: string, problem: string, hint?: string): CloisterError {
  const shown = JSON.stringify(text.length > 120 ? `${text.slice(0, 117)}...` : text);
  return new CloisterError('ERR_INVALID_REFERENCE', `image reference ${shown}: ${problem}`, {
    subject: text.slice(0, MAX_TEXT),
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The first part is a registry when it could not be a directory of Docker Hub. */
function splitRegistry(name: string): [registry: string, repository: string] {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isHost = first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase();
  const [written, rest] = isHost ? [first, name.slice(slash + 1)] : [DEFAULT_REGISTRY, name];
  const registry = written === LEGACY_DEFAULT_REGISTRY ? DEFAULT_REGISTRY : written;
  return [registry, registry === DEFAULT_REGISTRY && rest !== '' && !rest.includes('/') ? OFFICIAL + rest : rest];
}

function checkRegistry(text: string, registry: string): void {
  if (!REGISTRY.test(registry)) {
    throw invalid(text, `"${registry}" is no host name with an optional port`, 'write registry.example[:port]/name');
  }
}

function checkRepository(text: string, repository: string): void {
  if (REPOSITORY.test(repository)) {
    if (repository.length <= MAX_REPOSITORY) return;
    throw invalid(text, `the repository has ${repository.length} characters, at most ${MAX_REPOSITORY} are allowed`);
  }
  if (repository === '') throw invalid(text, 'the repository is missing', 'write [registry/]name[:tag][@digest]');
  if (repository !== repository.toLowerCase())
    throw invalid(text, `the repository "${repository}" has upper-case letters`, 'write it in lower case');
  const part = repository.split('/').find((each) => !REPOSITORY.test(each)) ?? repository;
  throw invalid(
    text,
    part === '' ? 'a part between two slashes is empty' : `"${part}" is no valid part of a repository`,
    "parts are of a-z and 0-9, inside them '.', '_', '__' or any number of '-'",
  );
}

function checkTag(text: string, tag: string): string {
  if (TAG.test(tag)) return tag;
  if (tag === '') throw invalid(text, "the tag after ':' is empty");
  if (tag.length > MAX_TAG) throw invalid(text, `the tag has ${tag.length} characters, at most ${MAX_TAG} are allowed`);
  throw invalid(text, `"${tag}" is no valid tag`, "tags are of letters, digits, '_', '.', '-', not '.' or '-' first");
}

function checkDigest(text: string, value: string): Digest {
  const digest = parseDigest(value);
  if (digest !== undefined) return digest;
  throw invalid(
    text,
    `"${value}" is no digest that is supported`,
    'sha256: and 64, or sha512: and 128 hexadecimal digits in lower case',
  );
}

function checkText(text: unknown): asserts text is string {
  if (typeof text !== 'string') throw invalidOption('reference', "a text such as 'debian:12'", text);
  if (text === '') throw invalid(text, 'it is empty', 'write a name such as debian:12');
  if (text.length > MAX_TEXT) throw invalid(text, `${text.length} characters are more than any reference has`);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) throw invalid(text, 'a reference has no scheme', 'leave out https://');
  if (BARE_DIGEST.test(text)) throw invalid(text, 'it is a bare id, not a name', 'write name@sha256:…');
}

/** `name[:tag][@digest]`: a colon before the last slash belongs to a port. */
function splitText(text: string): { name: string; tag: string | undefined; digest: string | undefined } {
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const rest = at < 0 ? text : text.slice(0, at);
  const colon = rest.indexOf(':', rest.indexOf('/') + 1);
  return colon < 0
    ? { name: rest, tag: undefined, digest }
    : { name: rest.slice(0, colon), tag: rest.slice(colon + 1), digest };
}

function familiarName({ registry, repository }: Repository): string {
  if (registry !== DEFAULT_REGISTRY) return `${registry}/${repository}`;
  const name = repository.startsWith(OFFICIAL) ? repository.slice(OFFICIAL.length) : repository;
  return name.includes('/') ? repository : name;
}

class ParsedReference implements Reference {
  readonly registry: string;
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;

  constructor(name: Repository, tag: string | undefined, digest: Digest | undefined) {
    this.registry = name.registry;
    this.repository = name.repository;
    this.tag = tag;
    this.digest = digest;
    Object.freeze(this);
  }

  get familiar(): string {
    return familiarName(this) + this.#version();
  }

  toString(): string {
    return `${this.registry}/${this.repository}${this.#version()}`;
  }

  toJSON(): string {
    return this.toString();
  }

  #version(): string {
    return (this.tag === undefined ? '' : `:${this.tag}`) + (this.digest === undefined ? '' : `@${this.digest}`);
  }
}

/** Whether these fields, of whatever type, name a repository as {@link parseReference} does. */
export function isRepository(value: Readonly<Record<string, unknown>>): boolean {
  const { registry, repository } = value;
  if (typeof registry !== 'string' || typeof repository !== 'string') return false;
  return REGISTRY.test(registry) && REPOSITORY.test(repository) && repository.length <= MAX_REPOSITORY;
}

/** The same of a reference. */
export function isReference(value: Readonly<Record<string, unknown>>): boolean {
  const { tag, digest } = value;
  const isTag = tag === undefined || (typeof tag === 'string' && TAG.test(tag));
  const isDigest = digest === undefined || parseDigest(digest) !== undefined;
  return isRepository(value) && isTag && isDigest && (tag ?? digest) !== undefined;
}

/**
 * Reads the name of an image with Docker's defaults: registry `docker.io`, its directory `library/`, tag `latest` when there
 * is neither a tag nor a digest.
 *
 * @throws CloisterError `ERR_INVALID_REFERENCE`, naming the part that is wrong; `ERR_INVALID_OPTION` for what is no text.
 * @example
 * ```ts
 * parseReference('debian:12').toString(); // 'docker.io/library/debian:12'
 * parseReference('localhost:5000/team/app').tag; // 'latest'
 * ```
 */
export function parseReference(text: string): Reference {
  checkText(text);
  // It would be a tag of a repository called sha256.
  if (parseDigest(text) !== undefined)
    throw invalid(text, 'a digest alone says nothing of where the image could be had', 'write name@digest');
  const { name, tag, digest } = splitText(text);
  const [registry, repository] = splitRegistry(name);
  checkRegistry(text, registry);
  checkRepository(text, repository);
  return new ParsedReference(
    { registry, repository },
    tag === undefined ? (digest === undefined ? DEFAULT_TAG : undefined) : checkTag(text, tag),
    digest === undefined ? undefined : checkDigest(text, digest),
  );
}

/** The same name with another tag and no digest. @throws CloisterError `ERR_INVALID_REFERENCE` */
export function withTag({ registry, repository }: Repository, tag: string): Reference {
  return new ParsedReference({ registry, repository }, checkTag(`${registry}/${repository}:${tag}`, tag), undefined);
}

/** The same name by digest alone. */
export function withDigest({ registry, repository }: Repository, digest: Digest): Reference {
  return new ParsedReference({ registry, repository }, undefined, digest);
}

/** What a registry is asked for: the digest if there is one, the tag otherwise. */
export function versionOf({ tag, digest }: Reference): string {
  return digest ?? tag ?? DEFAULT_TAG;
}
