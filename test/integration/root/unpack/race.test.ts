import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CloisterError } from '../../../../lib/index.js';
import { Canary } from '../../../support/canary.js';
import { archive, directory, entry, file, hardLink, symlink } from '../../../support/tar.js';

let canary: Canary;
beforeAll(() => void (canary = new Canary('race')));
afterAll(() => canary[Symbol.dispose]());

/** More directories than are kept open: they are opened again and again. */
const DIRECTORIES = Array.from({ length: 150 }, (_, i) => (i % 3 === 0 ? `d${i}` : `d${i - (i % 3)}/e${i}`));

/**
 * Swaps directories and files of the layer for links to the outside and back, as fast as it can, until it is killed: what a
 * process could do that got hold of the directory while it is unpacked. Writes a dot each time it succeeded.
 */
const ATTACKER = `
  const fs = require('node:fs');
  const [layer, outside, ...directories] = process.argv.slice(1);
  const attempt = (call) => { try { call(); return true; } catch { return false; } };
  let moved = 0;
  process.send('ready');
  for (;;) {
    for (const name of directories) {
      const path = layer + '/' + name;
      if (!attempt(() => fs.renameSync(path, layer + '/moved' + ++moved))) continue;
      attempt(() => fs.symlinkSync(moved % 2 ? outside : '../../../../..' + outside, path));
      attempt(() => fs.unlinkSync(path));
      attempt(() => fs.renameSync(layer + '/moved' + moved, path));
      fs.writeSync(1, '.');
      for (const [own, theirs] of [['f1', 'secret'], ['link', 'link'], ['fifo', 'fifo'], ['hard', 'secret']]) {
        attempt(() => fs.unlinkSync(path + '/' + own));
        attempt(() => fs.linkSync(outside + '/' + theirs, path + '/' + own));
        attempt(() => fs.unlinkSync(path + '/' + own));
        attempt(() => fs.symlinkSync(outside + '/' + theirs, path + '/' + own));
      }
    }
  }`;

class Attack {
  swaps = 0;
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;

  constructor() {
    this.#child = spawn(process.execPath, ['-e', ATTACKER, '--', canary.layer, canary.outside, ...DIRECTORIES], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    this.#gone = once(this.#child, 'close');
    this.#child.stdout?.on('data', (dots: Buffer) => (this.swaps += dots.length));
  }

  async begin(): Promise<void> {
    await once(this.#child, 'message');
  }

  async end(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#gone;
  }
}

function layer(): Buffer {
  const parts: Buffer[] = [];
  const attributes = { uid: 1234, gid: 1234, mode: 0o777, mtime: 1 };
  for (let i = 0; i < 6; i++) {
    for (const d of DIRECTORIES) {
      parts.push(
        directory(d, attributes),
        file(`${d}/f${i}`, 'evil', attributes),
        file(`${d}/secret`, 'evil', attributes),
      );
      parts.push(symlink(`${d}/link`, 'secret', attributes), entry({ path: `${d}/fifo`, type: '6', ...attributes }));
      parts.push(hardLink(`${d}/hard`, `${d}/secret`), directory(`${d}/directory`, attributes));
      parts.push(file(`${d}/directory/file`, 'evil', attributes), file(`${d}/.wh.directory`));
    }
  }
  return archive(...parts);
}

/** What it says when it sees something that it did not make. Which call that is, is chance. */
function expectHonest(error: unknown): void {
  if (!CloisterError.is(error)) throw error;
  expect(`${error.syscall ?? error.code} ${error.errno ?? ''}`).toMatch(/\(2\) E[A-Z]+$|^ERR_LAYER_INVALID $/);
}

test.each(['overlay', 'apply'] as const)(
  'somebody swaps directories for links while it is unpacked: %s',
  async (whiteouts) => {
    const bytes = layer();
    let swaps = 0;
    for (let round = 0; round < 8 || swaps < 100; round++) {
      canary.renew();
      const attack = new Attack();
      await attack.begin();
      await canary.again(bytes, { whiteouts, threads: 2 }).catch(expectHonest);
      await attack.end();
      swaps += attack.swaps;
      canary.expectUntouched();
      await canary.remove();
    }
  },
);

test('while it is removed', async () => {
  const bytes = layer();
  for (let round = 0; round < 4; round++) {
    await canary.unpack(bytes);
    const attack = new Attack();
    await attack.begin();
    const removing = canary.remove().catch(expectHonest);
    await Promise.race([removing, new Promise((done) => setTimeout(done, 500))]);
    await attack.end();
    await removing;
    canary.expectUntouched();
    await canary.remove();
  }
});
