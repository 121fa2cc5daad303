import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { LIBRARY, programs } from '../../../support/node-program.js';

const { run } = programs();
const at = (path: string): string => JSON.stringify(new URL(path, pathToFileURL(LIBRARY)));

/** A program that starts workers which run `source`, and ends them where they are. */
const terminating = (rounds: number, source: string): string => `
  import { readdirSync } from 'node:fs';
  import { setTimeout as sleep } from 'node:timers/promises';
  import { Worker } from 'node:worker_threads';

  const count = (what) => readdirSync('/proc/self/' + what).length;
  const source = ${JSON.stringify(`import { parentPort } from 'node:worker_threads';\n${source}`)};
  const url = new URL('data:text/javascript,' + encodeURIComponent(source));
  async function startAndEnd(round) {
    const worker = new Worker(url);
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await sleep(round % 10);
    await worker.terminate();
  }
  await startAndEnd(0);
  await sleep(100);
  const before = [count('task'), count('fd')];
  for (let round = 0; round < ${rounds}; round++) await startAndEnd(round);
  await sleep(200);
  console.log(JSON.stringify({ tasks: count('task') - before[0], descriptors: count('fd') - before[1] }));
  await host.close();`;

test('jobs that end together with their worker thread do not end the process', async () => {
  const source = `
    import { openSync } from 'node:fs';
    import { removeTree, syncFilesystem } from ${at('native/layers.js')};
    const directory = openSync('/proc/self/task');
    const work = async () => { for (;;) await removeTree(directory, 'none').catch(() => syncFilesystem(-1)).catch(() => undefined); };
    for (let i = 0; i < 20; i++) void work();
    setTimeout(() => parentPort.postMessage('started'), 20);`;
  const { code, signal, stderr } = await run(terminating(40, source));
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
});

test('what a job of a terminated worker waits at is closed: it ends', async () => {
  const source = `
    import { mkdtempSync, openSync, rmSync } from 'node:fs';
    import { unpackArchive } from ${at('native/layers.js')};
    const path = mkdtempSync('/var/tmp/cloister-terminated-');
    const directory = openSync(path);
    rmSync(path, { recursive: true });
    void unpackArchive({ writeTo: () => new Promise(() => undefined) }, directory);
    setTimeout(() => parentPort.postMessage('started'), 20);`;
  const { stdout, stderr, code } = await run(terminating(10, source));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({ tasks: 0, descriptors: 0 });
});
