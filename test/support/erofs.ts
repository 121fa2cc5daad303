import { closeSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { indexTar, mountErofs, probeErofs, type Indexed, type IndexOptions } from '../../lib/native/erofs.js';

/** On a disk: EROFS does not read its metadata from a tmpfs. */
export async function makeDirectory(topic: string): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(`/var/tmp/cloister-${topic}-`);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export const LAYER = `sha256:${'5e'.repeat(32)}` as const;

/** Writes `<archive>.index`. */
export async function makeIndex(archive: string, options: Partial<IndexOptions> = {}): Promise<Indexed> {
  await using input = await open(archive, 'r');
  await using index = await open(`${archive}.index`, 'w+');
  return await indexTar(input.fd, index.fd, { layer: LAYER, ...options });
}

export async function mountIndex(archive: string): Promise<number> {
  await using input = await open(archive, 'r');
  await using index = await open(`${archive}.index`, 'r');
  return await mountErofs(index.fd, input.fd, LAYER);
}

let probed: ReturnType<typeof probeErofs> | undefined;

/**
 * Indexes and mounts an archive and hands the mount over. Where this machine cannot mount indexes at all, makes sure that it says
 * so instead, which is then what there is to test.
 */
export async function withMounted(archive: string, use: (mount: number) => Promise<void>): Promise<void> {
  await makeIndex(archive);
  const refusal = await (probed ??= probeErofs(join(archive, '..')));
  if (refusal !== undefined) {
    await mountIndex(archive).then(
      () => Promise.reject(new Error('the probe refuses what works')),
      (error: unknown) => {
        if (!(error instanceof Error) || !error.message.startsWith(refusal.reason)) throw error;
      },
    );
    return;
  }
  const mount = await mountIndex(archive);
  try {
    await use(mount);
  } finally {
    closeSync(mount);
  }
}
