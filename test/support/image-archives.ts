import { gunzipSync } from 'node:zlib';
import { splitDigest, type Digest } from '../../lib/shared/digest.js';
import { archive, file } from './tar.js';
import type { TestImage } from './test-image.js';

/** Files of an archive by name, in the order that they are written. */
export type Files = Record<string, Buffer>;

const REF = 'org.opencontainers.image.ref.name';

export const blobPath = (digest: Digest): string => ['blobs', ...splitDigest(digest)].join('/');

export function jsonOf(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** The files of an OCI layout. */
export function layoutFiles(images: Readonly<Record<string, TestImage>>): Files {
  const files: Files = { 'oci-layout': jsonOf({ imageLayoutVersion: '1.0.0' }) };
  for (const { blobs } of Object.values(images))
    for (const [digest, bytes] of blobs) files[blobPath(digest)] = Buffer.from(bytes);
  const manifests = Object.entries(images).map(([name, { manifest }]) => ({
    mediaType: manifest.mediaType,
    digest: manifest.digest,
    size: manifest.size,
    ...(name === '' ? {} : { annotations: { [REF]: name } }),
  }));
  files['index.json'] = jsonOf({ schemaVersion: 2, manifests });
  return files;
}

/** The files of an archive of `docker save`. */
export function dockerFiles(images: Readonly<Record<string, TestImage>>): Files {
  const files: Files = {};
  const entries = Object.entries(images).map(([name, image]) => {
    const config = `${image.config.digest.slice(7)}.json`;
    files[config] = Buffer.from(image.blobs.get(image.config.digest)!);
    const layers = image.layers.map(({ digest }, index) => {
      const path = `${image.diffIds[index]!.slice(7)}/layer.tar`;
      files[path] = gunzipSync(image.blobs.get(digest)!);
      return path;
    });
    return { Config: config, RepoTags: name === '' ? null : [name], Layers: layers };
  });
  files['manifest.json'] = jsonOf(entries);
  return files;
}

export function tarOf(files: Files, ...more: readonly Buffer[]): Buffer {
  return archive(...Object.entries(files).map(([name, bytes]) => file(name, bytes)), ...more);
}

/** What a JSON document says, changed. */
export function edited(bytes: Buffer, edit: (document: never) => unknown): Buffer {
  return jsonOf(edit(JSON.parse(bytes.toString()) as never));
}
