import { LIBRARY } from './node-program.js';

/** Lines of a program that may open few files: `withFree(count, work)` does something while it can open only so many more. */
export const FEW_DESCRIPTORS = `
import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { CloisterError, Image } from ${JSON.stringify(LIBRARY)};

execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=160:160']);

async function withFree(count, work) {
  const taken = [];
  try {
    for (;;) taken.push(openSync('/dev/null'));
  } catch {}
  for (const fd of taken.splice(-count, count)) closeSync(fd);
  try {
    await work();
    return 'ok';
  } catch (error) {
    return CloisterError.is(error) && error.errno === 'EMFILE' ? 'EMFILE' : String(error.stack);
  } finally {
    for (const fd of taken) closeSync(fd);
  }
}
`;
