import { parseDigest, type Digest } from '../../shared/digest.js';
import { asList, asObject, asText, asTexts, own, parseJsonValue, refuse } from '../json-fields.js';
import { MAX_DOCUMENT_BYTES } from './files.js';
import { parseArchiveName, type ArchiveName } from './names.js';
import { plainName } from './tar-files.js';

/** @see https://github.com/moby/docker-image-spec/blob/main/v1.2.md#combined-image-json--filesystem-changeset-format */
export const DOCKER_MANIFEST = 'manifest.json';

const MAX_IMAGES = 1024;
const MAX_LAYERS = 1024;

/** An image of a Docker archive: where its parts are. */
export interface DockerImage {
  /** Those that it has, or one that says that it has none. */
  readonly names: readonly ArchiveName[];
  /** Name of the file with its configuration. */
  readonly config: string;
  /** What the configuration's digest must be, where its name says so. */
  readonly configDigest: Digest | undefined;
  /** Names of the files with its layers' archives, bottom first. */
  readonly layers: readonly string[];
}

function asName(where: string, value: unknown): string {
  const text = asText(where, value, 1024);
  const name = plainName(text);
  return name === undefined || name === '' ? refuse(where, 'a name inside the archive', text) : name;
}

/** Docker names the file by its digest: `<hex>.json`, since version 25 `blobs/sha256/<hex>`. */
function digestOf(name: string): Digest | undefined {
  const hex = /^(?:blobs\/sha256\/)?([0-9a-f]{64})(?:\.json)?$/.exec(name)?.[1];
  return hex === undefined ? undefined : parseDigest(`sha256:${hex}`);
}

function parseImage(subject: string, where: string, value: unknown): DockerImage {
  const fields = asObject(where, value);
  const config = asName(`${where}.Config`, own(fields, 'Config'));
  const tags = asTexts(`${where}.RepoTags`, own(fields, 'RepoTags'), MAX_IMAGES);
  const layers = asList(`${where}.Layers`, own(fields, 'Layers'), MAX_LAYERS);
  return {
    names: tags.length === 0 ? [{ kind: 'none' }] : tags.map((text) => parseArchiveName(subject, text)),
    config,
    configDigest: digestOf(config),
    layers: layers.map((each, index) => asName(`${where}.Layers[${index}]`, each)),
  };
}

/**
 * The images that the `manifest.json` of a Docker archive names.
 *
 * @throws CloisterError `ERR_IMAGE_INVALID` for what is none, names nothing, or names files outside of the archive.
 */
export function parseDockerManifest(subject: string, bytes: Uint8Array): readonly DockerImage[] {
  const where = `${subject}: ${DOCKER_MANIFEST}`;
  const images = asList(where, parseJsonValue(where, bytes, MAX_DOCUMENT_BYTES), MAX_IMAGES);
  if (images.length === 0) return refuse(where, 'an image', 0);
  return images.map((each, index) => parseImage(subject, `${where}[${index}]`, each));
}
