import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

/** An image to be pulled, the same bytes for the same size on every machine. */
export interface SampleImage {
  readonly reference: string;
  readonly files: number;
  readonly bytes: number;
  readonly compressedBytes: number;
}

/** How much of the image each layer has: one that everybody shares, one that is most of it, and what an application adds. */
const SHARES = [0.1, 0.7, 0.15, 0.05] as const;
const FILES_PER_DIRECTORY = 50;
const POOL_BYTES = 16 * 2 ** 20;
const BLOCK = 512;

/** Marsaglia's xorshift: the same numbers for the same seed. */
function randomNumbers(seed: number): (end: number) => number {
  let state = seed | 1;
  return (end) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % end;
  };
}

/** Phrases of words that come again and again: gzip makes them three times smaller, as it does programs and their sources. */
function makePool(): Buffer {
  const random = randomNumbers(1);
  const many = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);
  const letter = (): string => String.fromCharCode(97 + random(26));
  const words = many(4096, () => many(2 + random(9), letter).join(''));
  const phrases = many(2048, () => many(1 + random(6), () => words[random(words.length)]).join(' '));
  const pool = Buffer.alloc(POOL_BYTES, ' ');
  for (let at = 0; at < POOL_BYTES;) at += pool.write(phrases[random(phrases.length)] ?? '', at) + 1;
  return pool;
}

/** Most files are small, and a few make up most of the bytes: 70,000 files in 1 GB, as in an image of a language and its packages. */
function fileBytes(random: (end: number) => number): number {
  const kind = random(1000);
  if (kind < 600) return 200 + random(4000);
  if (kind < 900) return 4000 + random(12_000);
  if (kind < 995) return 16_000 + random(80_000);
  return 300_000 + random(1_700_000);
}

/** One header in the ustar format, POSIX.1 pax. */
function tarHeader(path: string, type: '0' | '5', size: number): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`;
  header.write(path, 0);
  header.write(octal(type === '5' ? 0o755 : 0o644, 8), 100);
  header.write(octal(0, 8) + octal(0, 8) + octal(size, 12) + octal(1_700_000_000, 12), 108);
  header.write('        ', 148);
  header.write(type, 156);
  header.write('ustar\u000000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

interface Tally {
  files: number;
  bytes: number;
}

/** The archive of one layer. */
function* layerChunks(layer: number, bytes: number, pool: Buffer, tally: Tally): Generator<Buffer> {
  const random = randomNumbers(layer + 2);
  for (let file = 0, written = 0; written < bytes; file++) {
    const directory = `layer${layer}/d${Math.floor(file / FILES_PER_DIRECTORY)}`;
    if (file === 0) yield tarHeader(`layer${layer}/`, '5', 0);
    if (file % FILES_PER_DIRECTORY === 0) yield tarHeader(`${directory}/`, '5', 0);
    const size = fileBytes(random);
    yield tarHeader(`${directory}/file${file}`, '0', size);
    const start = random(POOL_BYTES - size);
    yield pool.subarray(start, start + size);
    yield Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
    written += size;
    tally.files++;
    tally.bytes += size;
  }
  yield Buffer.alloc(2 * BLOCK);
}

/** What a registry is sent of a blob. */
interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const TYPES = 'application/vnd.oci.image';
const digestOf = (hash: Hash): string => `sha256:${hash.digest('hex')}`;

async function upload(repository: string, digest: string, body: () => Readable, size: number): Promise<void> {
  const begun = await fetch(`${repository}/blobs/uploads/`, { method: 'POST' });
  const location = new URL(begun.headers.get('location') ?? '', repository);
  location.searchParams.set('digest', digest);
  const sent = await fetch(location, {
    method: 'PUT',
    body: Readable.toWeb(body()) as ReadableStream,
    headers: { 'content-length': String(size), 'content-type': 'application/octet-stream' },
    duplex: 'half',
  });
  if (sent.status !== 201) throw new Error(`the registry does not take ${digest}: ${sent.status} ${await sent.text()}`);
}

async function putJson(repository: string, document: object, mediaType: string, tag?: string): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(document));
  const digest = digestOf(createHash('sha256').update(bytes));
  if (tag === undefined) await upload(repository, digest, () => Readable.from([bytes]), bytes.length);
  else
    await fetch(`${repository}/manifests/${tag}`, {
      method: 'PUT',
      body: bytes,
      headers: { 'content-type': mediaType },
    });
  return { mediaType, digest, size: bytes.length };
}

/** Makes an image of about that many bytes, and gives it to a registry. @param registry - `'127.0.0.1:5000'` */
export async function publishImage(
  registry: string,
  scratch: string,
  name: string,
  bytes: number,
): Promise<SampleImage> {
  mkdirSync(scratch, { recursive: true });
  const repository = `http://${registry}/v2/${name}`;
  const pool = makePool();
  const tally: Tally = { files: 0, bytes: 0 };
  const packed = await Promise.all(
    SHARES.map(async (share, layer) => {
      const path = join(scratch, `${name}-${layer}.tar.gz`);
      const [plain, compressed] = [createHash('sha256'), createHash('sha256')];
      const hashed = function* (): Generator<Buffer> {
        for (const chunk of layerChunks(layer, share * bytes, pool, tally)) {
          plain.update(chunk);
          yield chunk;
        }
      };
      await pipeline(hashed, createGzip({ level: 6, chunkSize: 2 ** 18 }), createWriteStream(path));
      await pipeline(createReadStream(path), compressed);
      const digest = `sha256:${(compressed.read() as Buffer).toString('hex')}`;
      const { size } = statSync(path);
      await upload(repository, digest, () => createReadStream(path), size);
      return { diffId: digestOf(plain), layer: { mediaType: `${TYPES}.layer.v1.tar+gzip`, digest, size } };
    }),
  );
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const diffIds = packed.map(({ diffId }) => diffId);
  const document = { os: 'linux', architecture, config: {}, rootfs: { type: 'layers', diff_ids: diffIds } };
  const config = await putJson(repository, document, `${TYPES}.config.v1+json`);
  const layers = packed.map(({ layer }) => layer);
  const mediaType = `${TYPES}.manifest.v1+json`;
  await putJson(repository, { schemaVersion: 2, mediaType, config, layers }, mediaType, '1');
  const compressedBytes = layers.reduce((sum, { size }) => sum + size, 0);
  return { reference: `${registry}/${name}:1`, ...tally, compressedBytes };
}
