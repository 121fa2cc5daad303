import { spawn } from 'node:child_process';

/** Runs a program as any Node application would; what it prints goes into the error. */
export function runProgram([file = '', ...args]: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args);
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${file} ${args.join(' ')}: ${signal ?? `exit code ${code}`}: ${said.trim()}`));
    });
  });
}
