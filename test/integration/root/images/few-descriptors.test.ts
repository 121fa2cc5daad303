import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { busyboxLayer } from '../../../support/busybox-image.js';
import { FEW_DESCRIPTORS } from '../../../support/few-descriptors.js';
import { programs } from '../../../support/node-program.js';

const { directory, run } = programs();
const ARCHIVE = join(directory, 'root.tar');
writeFileSync(ARCHIVE, busyboxLayer());

/** How many there may be free where something fails; more than any of these need at once. */
const MOST_FREE = 16;

test('a start that fails for want of descriptors is no end of other sandboxes', async () => {
  const { stdout, stderr, code } = await run(`
    ${FEW_DESCRIPTORS}
    await Image.import(${JSON.stringify(ARCHIVE)}, 'app:1', { host });
    const options = { host, image: 'app:1', pull: 'never' };
    const living = await Sandbox.create(options);
    const outcomes = [];
    for (let free = 0; free <= ${MOST_FREE}; free++) {
      outcomes.push(await withFree(free, async () => (await Sandbox.create(options)).remove()));
      outcomes.push(await withFree(free, () => living.exec(['true'])));
      outcomes.push(await withFree(free, () => living.exec(['true'], { tty: true })));
      if ((await living.exec(['echo', 'here'])).stdout !== 'here\\n') throw new Error('it has ended');
      await (await Sandbox.create(options)).remove();
    }
    await host.close();
    console.log(JSON.stringify([...new Set(outcomes)].sort()));
  `);
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  expect(JSON.parse(stdout)).toEqual(['EMFILE', 'ok']);
});

test('operations on images that fail for want of descriptors say so, and leave nothing', async () => {
  const { stdout, stderr, code } = await run(`
    ${FEW_DESCRIPTORS}
    import { readdirSync } from 'node:fs';
    const archive = ${JSON.stringify(ARCHIVE)};
    const directory = host.root;
    await Image.import(archive, 'base:1', { host });
    await Image.save('base:1', archive + '.saved', { host });
    const other = new Host({ root: directory + '/other', stateDir: directory + '/state' });
    await Image.import(archive, 'app:1', { host: other });
    await Image.remove('app:1', { host: other });
    const operations = [
      () => Image.import(archive, 'app:1', { host: other }),
      () => Image.load(archive + '.saved', { host: other }),
      () => Image.save('base:1', archive + '.out', { host }),
      () => Image.export('base:1', archive + '.out', { host }),
      () => Image.tag('base:1', 'tagged:1', { host }),
      () => Image.list({ host }),
      () => Image.inspect('base:1', { host }),
      () => Image.prune({ host }),
    ];
    const outcomes = [];
    for (const operation of operations) {
      for (let free = 0; free <= ${MOST_FREE}; free++) {
        outcomes.push(await withFree(free, operation));
        for (const image of await Image.list({ host: other })) await Image.remove(image, { host: other });
        await Image.prune({ host: other });
      }
    }
    await Image.load(archive + '.saved', { host: other });
    const drafts = other.root + '/layers/' + readdirSync(other.root + '/layers')[0] + '/drafts';
    console.log(JSON.stringify({ outcomes: [...new Set(outcomes)].sort(), drafts: readdirSync(drafts) }));
    await host.close();
    await other.close();
  `);
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  expect(JSON.parse(stdout)).toEqual({ outcomes: ['EMFILE', 'ok'], drafts: [] });
});
