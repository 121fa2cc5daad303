import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The built library, as a program imports it. */
export const LIBRARY = fileURLToPath(new URL('../../dist/index.js', import.meta.url));

/** First lines of a program: the library, and a host with the directories that all of one test file share. */
export function preamble(directory: string): string {
  return `
import { Host, Sandbox } from ${JSON.stringify(LIBRARY)};
const host = new Host({ root: ${JSON.stringify(join(directory, 'root'))}, stateDir: ${JSON.stringify(join(directory, 'state'))} });
`;
}

/** Runs programs of Node that use the library, each in a process of its own. */
export function programs(): {
  readonly directory: string;
  /** Resolves when the program has ended by itself. */
  readonly run: (source: string) => Promise<Outcome>;
} {
  const directory = mkdtempSync('/var/tmp/cloister-node-');
  afterAll(() => rmSync(directory, { recursive: true }));
  let count = 0;
  const run = (source: string): Promise<Outcome> =>
    new Promise((resolve, reject) => {
      const file = join(directory, `program${count++}.mjs`);
      writeFileSync(file, `${preamble(directory)}\n${source}\n`);
      const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'] });
      let stdout = '';
      let stderr = '';
      child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
      child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
      child.on('error', reject);
      child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
    });
  return { directory, run };
}
