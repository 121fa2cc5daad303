import { createHash } from 'node:crypto';
import {
  copyFileSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  chmodSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Sandbox } from '../../lib/index.js';
import { nativeParts } from '../../lib/native/addon.js';
import { compile, makeLab, makeRoot, saw, sh } from '../support/attack.js';

/** CVE-2019-5736: the program that starts others is written to from inside, and the next start runs the attacker's on the host. */
const lab = makeLab();

const digest = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** Of this process: its launcher. */
function launcher(): string {
  const mine = readdirSync('/proc').filter((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
      return stat.includes('(cloister)') && Number(parent) === process.pid;
    } catch {
      return false;
    }
  });
  expect(mine).toHaveLength(1);
  return `/proc/${mine[0] ?? ''}`;
}

test('while commands start, nothing but what the sandbox brought along can be opened for writing', async () => {
  const root = makeRoot(lab, 'root');
  copyFileSync(compile(lab, 'overwrite'), join(root, 'bin/overwrite'));
  const file = nativeParts().launcher;
  const before = digest(file);
  await using box = await Sandbox.create({ image: { directory: root } });
  const attacker = box.exec(['overwrite', '/bin/busybox', '5']);
  let report = '';
  attacker.stdout?.on('data', (data: Buffer) => (report += data.toString()));
  await saw(attacker, 'ready');
  const attack = { isOver: false };
  void attacker.then(() => (attack.isOver = true));
  const image = digest(`${launcher()}/exe`);
  while (!attack.isOver) await Promise.all([1, 2, 3, 4].map(() => box.exec(['sh', '-c', ':'])));
  expect((await attacker).exitCode).toBe(0);
  const foreign = report.split('\n').filter((line) => !/^(ready|done|)$|\/bin\/(overwrite|busybox)/.test(line));
  expect(foreign).toEqual([]);
  expect(report).toContain('done');
  expect(digest(file)).toBe(before);
  expect(digest(`${launcher()}/exe`)).toBe(image);
});

test('it runs from memory that is sealed', async () => {
  await using box = await Sandbox.create();
  expect((await box.exec(['true'])).exitCode).toBe(0);
  expect(readlinkSync(`${launcher()}/exe`)).toMatch(/^\/memfd:cloister-launcher \(deleted\)$/);
  expect(() => writeFileSync(`${launcher()}/exe`, 'owned')).toThrow(/ETXTBSY|EPERM|EACCES/);
});

/** The way in of the original: the image's shell is a script whose interpreter is whoever executes it. */
test.each(['#!/proc/self/exe\n', '#!/proc/1/exe\n', '#!/proc/thread-self/exe\n'])(
  'a program that is %j',
  async (script) => {
    const root = makeRoot(lab, `script${script.length}`);
    writeFileSync(join(root, 'bin/trap'), script);
    chmodSync(join(root, 'bin/trap'), 0o755);
    const before = digest(nativeParts().launcher);
    await using box = await Sandbox.create({ image: { directory: root } });
    const watch = box.exec(
      sh(
        'i=0; while [ $i -lt 300 ]; do for p in /proc/[0-9]*/exe; do (: > $p) 2>/dev/null && echo hit $p; done; i=$((i+1)); done',
      ),
    );
    await watch.started;
    const outcomes = await Promise.allSettled([1, 2, 3, 4].map(() => box.exec(['trap'], { timeout: '60s' })));
    for (const outcome of outcomes) {
      // Either it cannot be executed, or it runs inside, without any right, and gives up.
      if (outcome.status === 'fulfilled') expect(outcome.value.exitCode).not.toBe(0);
      else expect(outcome.reason).toMatchObject({ code: expect.stringMatching(/^ERR_(COMMAND|KERNEL)/) as string });
    }
    expect((await watch).stdout).toBe('');
    expect(digest(nativeParts().launcher)).toBe(before);
  },
);

test('a link in the place of the program leads to what is inside', async () => {
  const root = makeRoot(lab, 'links');
  for (const target of ['/proc/self/exe', '/proc/1/exe', '/proc/1/root/usr/bin/env']) {
    rmSync(join(root, 'bin/trap'), { force: true });
    symlinkSync(target, join(root, 'bin/trap'));
    const outcome = await Sandbox.run(['trap'], { image: { directory: root }, timeout: '60s' }).catch(
      (e: unknown) => e,
    );
    expect(outcome).not.toMatchObject({ exitCode: 0 });
  }
});
