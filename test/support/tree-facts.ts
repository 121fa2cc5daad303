import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';

/** What there is to know about a file, without what differs between two copies of it. */
export interface FileFacts {
  /** Octal, with the type. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: string;
  readonly xattrs?: Readonly<Record<string, string>>;
  readonly size?: number;
  readonly sha256?: string;
  readonly target?: string;
  readonly device?: string;
  /** The first name of a file with several. */
  readonly sameAs?: string;
  readonly links?: number;
}

/** By path, bytes as Latin-1; the root is `''`. */
export type Tree = Readonly<Record<string, FileFacts>>;

const SCRIPT = join(import.meta.dirname, 'tree-facts.py');

/** Descriptors become 3, 4, … of the script. */
async function run<T>(args: readonly string[], fds: readonly number[] = []): Promise<T> {
  const child = spawn('python3', [SCRIPT, ...args], { stdio: ['ignore', 'pipe', 'pipe', ...fds] });
  const chunks: [Buffer[], Buffer[]] = [[], []];
  child.stdout!.on('data', (chunk: Buffer) => chunks[0].push(chunk));
  child.stderr!.on('data', (chunk: Buffer) => chunks[1].push(chunk));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(Buffer.concat(chunks[1]).toString());
  return JSON.parse(Buffer.concat(chunks[0]).toString()) as T;
}

const numbers = (fds: readonly number[]): string[] => fds.map((_, i) => String(3 + i));

export const readTree = (path: string): Promise<Tree> => run(['facts', path]);

/** Of a mount that is attached nowhere. */
export const readMount = (mount: number): Promise<Tree> => run(['facts', '/proc/self/fd/3'], [mount]);

/** Of an overlay of such mounts, the first on top, at `directory`. */
export const readOverlay = (directory: string, mounts: readonly number[]): Promise<Tree> =>
  run(['overlay', directory, ...numbers(mounts)], mounts);

/** Of a mount whose ids are shifted: 0 becomes `first`. */
export const readIdmapped = (mount: number, first: number): Promise<Tree> =>
  run(['idmap', '3', String(first)], [mount]);

/** Bytes of `file` that are cached, as seen through an overlay of each mount, after reading it through the first. */
export const readResident = (file: string, mounts: readonly number[]): Promise<number[]> =>
  run(['resident', '', file, ...numbers(mounts)], mounts);

/** How many bytes of each file are in the page cache: after all were dropped from it, and after the first was read. */
export const readShared = (paths: readonly string[]): Promise<[dropped: number[], read: number[]]> =>
  run(['shared', ...paths], []);

/** Runs a program to its end; what it wrote to standard error when it fails is the message. */
export async function command(program: string, ...args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { maxBuffer: 2 ** 30 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${program} ${args.join(' ')}: ${stderr || error.message}`));
    });
  });
}
