import { execFileSync } from 'node:child_process';

/** Why a program cannot be used here; undefined when it can. @param probe - ends with 0 when it can. */
export function whyNot([file = '', ...args]: readonly string[]): string | undefined {
  try {
    execFileSync(file, args, { stdio: 'pipe', timeout: 20_000 });
    return undefined;
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: Buffer };
    return code === 'ENOENT' ? 'not installed' : (stderr?.toString().trim().split('\n').at(-1) ?? String(error));
  }
}
