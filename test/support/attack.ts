import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { Host, type SandboxProcess } from '../../lib/index.js';

export const sh = (line: string): string[] => ['sh', '-c', line];

/** Directory of one test file, gone after it; so are its sandboxes. */
export function makeLab(): string {
  const lab = mkdtempSync('/var/tmp/cloister-escape-');
  afterAll(async () => {
    await Host.default.close();
    rmSync(lab, { recursive: true });
  });
  return lab;
}

/** Compiles a program of `test/escape/programs` so that it runs in any root. */
export function compile(lab: string, name: string): string {
  const source = fileURLToPath(new URL(`../escape/programs/${name}.c`, import.meta.url));
  const program = join(lab, 'programs', name);
  mkdirSync(dirname(program), { recursive: true });
  execFileSync('gcc', ['-O1', '-static', '-Wall', '-Werror', '-pthread', '-o', program, source]);
  return program;
}

const APPLETS = [
  'sh',
  'cat',
  'chmod',
  'echo',
  'head',
  'id',
  'ls',
  'mkdir',
  'mount',
  'mv',
  'rm',
  'sleep',
  'touch',
  'umount',
];

/** A root file system of one static program, Debian's busybox-static. */
export function makeRoot(lab: string, name: string): string {
  const root = join(lab, name);
  for (const directory of ['bin', 'etc', 'tmp']) mkdirSync(join(root, directory), { recursive: true });
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const applet of APPLETS) symlinkSync('busybox', join(root, 'bin', applet));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\n');
  return root;
}

/** Everything below a directory, and what a change would change: kind, mode, owner, times, content. */
export function inventory(directory: string): string[] {
  const lines: string[] = [];
  const visit = (path: string): void => {
    const about = lstatSync(path, { bigint: true });
    const content = about.isSymbolicLink() ? readlinkSync(path) : about.isFile() ? readFileSync(path, 'latin1') : '';
    const facts = [about.mode, about.uid, about.gid, about.size, about.mtimeNs, about.ctimeNs, about.rdev];
    lines.push(`${path} ${facts.join(' ')} ${content}`);
    if (about.isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name));
  };
  visit(directory);
  return lines;
}

/** Mounts of the host at or below a path. */
export function mountsBelow(path: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.split(' ')[4]?.startsWith(path) === true);
}

/** Waits until the program has printed this. What it prints must be all that is read of it. */
export async function saw(process: SandboxProcess, text: string): Promise<string> {
  let seen = '';
  return new Promise((resolve, reject) => {
    process.stdout?.on('data', (data: Buffer) => {
      seen += data.toString();
      if (seen.includes(text)) resolve(seen);
    });
    process.then(
      (result) => reject(new Error(`ended (${result.reason}) before "${text}": ${seen}${result.stderr}`)),
      reject,
    );
  });
}
