import { createHash } from 'node:crypto';
import { pack, type Header } from 'tar-stream';
import type { Digest } from '../shared/digest.js';

/** One entry of a layer; `content` makes it a file, `link` a link, neither a directory or what `type` says. */
export interface Entry {
  readonly name: string;
  readonly content?: string | Uint8Array;
  readonly link?: string;
  readonly type?: Header['type'];
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: Date;
  readonly pax?: Readonly<Record<string, string>>;
}

export interface Archive {
  /** Of the uncompressed archive, which names the layer. */
  readonly layer: Digest;
  readonly bytes: Buffer;
}

const MTIME = new Date('2024-02-29T12:34:56Z');

function headerOf(entry: Entry): Partial<Header> & Pick<Header, 'name'> {
  const isFile = entry.content !== undefined;
  const type = entry.type ?? (isFile ? 'file' : entry.link === undefined ? 'directory' : 'symlink');
  return {
    name: entry.name,
    type,
    mode: entry.mode ?? (type === 'directory' ? 0o755 : 0o644),
    uid: entry.uid ?? 0,
    gid: entry.gid ?? 0,
    mtime: entry.mtime ?? MTIME,
    ...(entry.link === undefined ? {} : { linkname: entry.link }),
    ...(entry.pax === undefined ? {} : { pax: { ...entry.pax } }),
  };
}

/** A layer as a registry would hand it over, in the order given. */
export async function makeArchive(entries: readonly Entry[]): Promise<Archive> {
  const archive = pack();
  for (const entry of entries) archive.entry(headerOf(entry), Buffer.from(entry.content ?? ''));
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  return { layer: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, bytes };
}
