import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unpackTar, type Unpacked, type UnpackOptions } from '../../lib/native/layers.js';

let last = 0;

/** Unpacks an archive that is given as bytes or by its path. */
export async function unpackInto(
  directory: string,
  archive: Uint8Array | string,
  options: UnpackOptions = {},
): Promise<Unpacked> {
  let path = archive;
  if (typeof path !== 'string') {
    path = `${directory}.${++last}.tar`;
    writeFileSync(path, archive);
  }
  const input = openSync(path, 'r');
  const target = openSync(directory, 'r');
  try {
    return await unpackTar(input, target, options);
  } finally {
    closeSync(input);
    closeSync(target);
  }
}

/** An OCI image layout of one image whose layers are these archives, bottom first. */
export function writeImageLayout(directory: string, layers: readonly Uint8Array[]): void {
  const blobs = join(directory, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (
    mediaType: string,
    content: Uint8Array | string,
  ): { mediaType: string; digest: string; size: number } => {
    const hash = createHash('sha256').update(content).digest('hex');
    writeFileSync(join(blobs, hash), content);
    return { mediaType, digest: `sha256:${hash}`, size: Buffer.byteLength(content) };
  };
  const descriptors = layers.map((layer) => put('application/vnd.oci.image.layer.v1.tar', layer));
  const config = put(
    'application/vnd.oci.image.config.v1+json',
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: descriptors.map(({ digest }) => digest) },
    }),
  );
  const manifest = put(
    'application/vnd.oci.image.manifest.v1+json',
    JSON.stringify({ schemaVersion: 2, config, layers: descriptors }),
  );
  const annotations = { 'org.opencontainers.image.ref.name': 'latest' };
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(directory, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
}

/** What umoci makes of a stack of layers; throws what it says when it refuses one. */
export function unpackWithUmoci(scratch: string, layers: readonly Uint8Array[]): string {
  const layout = `${scratch}/layout-${++last}`;
  const root = `${scratch}/umoci-${last}`;
  writeImageLayout(layout, layers);
  execFileSync('umoci', ['raw', 'unpack', '--image', `${layout}:latest`, root], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return root;
}

/** What GNU tar makes of an archive. */
export function unpackWithTar(directory: string, archive: string): void {
  execFileSync(
    'tar',
    [
      '--extract',
      `--file=${archive}`,
      `--directory=${directory}`,
      '--numeric-owner',
      '--same-owner',
      '--preserve-permissions',
      '--xattrs',
      '--xattrs-include=*',
      '--delay-directory-restore',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
}
