import assert from 'node:assert/strict';
import type { Entry } from './archive.js';
import { HOST_LINKS, Inside } from './inside.js';
import type { Bench, BenchCase } from './bench.js';

const DATE = new Date('2001-02-03T04:05:06Z');

async function inside(bench: Bench, ...layers: readonly (readonly Entry[])[]): Promise<Inside> {
  const digests = [await bench.add(...HOST_LINKS)];
  for (const entries of layers) digests.push(await bench.add(...entries));
  return new Inside(bench.driver, digests, bench.scratch);
}

const list = (path: string): string => `find ${path} -mindepth 1 | sort`;

/** What is seen inside of layers that were stacked. */
export const ROOT_CASES: readonly BenchCase[] = [
  [
    'content, mode, owner and time of an entry are as the layer has them',
    async (bench) => {
      const root = await inside(bench, [
        { name: 'd/', mode: 0o1751, uid: 3, gid: 4, mtime: DATE },
        { name: 'd/f', content: 'text', mode: 0o4640, uid: 1000, gid: 50, mtime: DATE },
        { name: 'd/l', link: 'f', uid: 7, gid: 8, mtime: DATE },
        { name: 'd/h', link: 'd/f', type: 'link' },
        { name: 'd/p', type: 'fifo', mode: 0o600, mtime: DATE },
      ]);
      const seconds = DATE.getTime() / 1000;
      assert.deepEqual((await root.run(`cd d; stat -c '%n %a %u:%g %Y %F %h' . *; cat h; readlink l`)).split('\n'), [
        `. 1751 3:4 ${seconds} directory 2`,
        `f 4640 1000:50 ${seconds} regular file 2`,
        `h 4640 1000:50 ${seconds} regular file 2`,
        `l 777 7:8 ${seconds} symbolic link 1`,
        `p 600 0:0 ${seconds} fifo 1`,
        'textf',
        '',
      ]);
    },
  ],
  [
    'names that are long, deep or not ASCII',
    async (bench) => {
      const long = 'n'.repeat(255);
      const deep = Array.from({ length: 40 }, (_, i) => `directory${i}`).join('/');
      const root = await inside(bench, [
        { name: `x/${long}`, content: '1' },
        { name: `x/${deep}/f`, content: '2' },
        { name: 'x/häß €\n"', content: '3' },
      ]);
      assert.equal(await root.run(`cat "/x/${long}" "/x/${deep}/f" "/x/häß €\n\\""`), '123');
    },
  ],
  [
    'what an upper layer has wins, whatever it replaces',
    async (bench) => {
      const root = await inside(
        bench,
        [
          { name: 'x/f', content: 'old' },
          { name: 'x/file', content: 'a file' },
          { name: 'x/dir/' },
          { name: 'x/dir/below', content: '' },
          { name: 'x/keep', content: 'kept' },
        ],
        [
          { name: 'x/f', content: 'new' },
          { name: 'x/file/' },
          { name: 'x/file/inside', content: 'now a directory' },
          { name: 'x/dir', content: 'now a file' },
        ],
      );
      assert.equal(await root.run('cat /x/f /x/file/inside /x/dir /x/keep'), 'newnow a directorynow a filekept');
    },
  ],
  [
    'a whiteout hides what is below, and what comes above it is seen again',
    async (bench) => {
      const below = [
        { name: 'x/gone', content: '' },
        { name: 'x/dir/a', content: '' },
        { name: 'x/back', content: 'old' },
      ];
      const hidden = [
        { name: 'x/.wh.gone', content: '' },
        { name: 'x/.wh.dir', content: '' },
        { name: 'x/.wh.back', content: '' },
      ];
      assert.equal(await (await inside(bench, below, hidden)).run(list('/x')), '');
      const again = await inside(bench, below, hidden, [{ name: 'x/back', content: 'new' }]);
      assert.equal(await again.run(`${list('/x')}; cat /x/back`), '/x/back\nnew');
    },
  ],
  [
    'whiteouts of a directory and of what was in it, in any order, are one of all of it',
    async (bench) => {
      const below = [
        { name: 'x/dir/a', content: '' },
        { name: 'x/dir/sub/b', content: '' },
        { name: 'x/keep', content: '' },
      ];
      const marks = ['x/.wh.dir', 'x/dir/.wh.a', 'x/dir/.wh.sub', 'x/dir/sub/.wh.b'].map((name) => ({
        name,
        content: '',
      }));
      assert.equal(await (await inside(bench, below, marks)).run(list('/x')), '/x/keep\n');
      assert.equal(await (await inside(bench, below, marks.reverse())).run(list('/x')), '/x/keep\n');
    },
  ],
  [
    'an opaque directory hides all that is below it, not what its own layer has',
    async (bench) => {
      const root = await inside(
        bench,
        [
          { name: 'x/dir/old', content: '' },
          { name: 'x/dir/sub/old', content: '' },
        ],
        [
          { name: 'x/dir/new', content: '' },
          { name: 'x/dir/.wh..wh..opq', content: '' },
        ],
      );
      assert.equal(await root.run(list('/x/dir')), '/x/dir/new\n');
    },
  ],
  [
    'a layer that is opaque as a whole hides all that is below it',
    async (bench) => {
      const below = [
        { name: 'x/old', content: '' },
        { name: 'y', content: '' },
      ];
      const upper = [...HOST_LINKS, { name: '.wh..wh..opq', content: '' }, { name: 'x/new', content: '' }];
      const root = await inside(bench, below, upper, [{ name: 'z', content: '' }]);
      assert.equal(await root.run('cd /; find x y z 2>/dev/null | sort'), 'x\nx/new\nz\n');
    },
  ],
  [
    'one sandbox does not see what another one wrote, and the layers stay as they are',
    async (bench) => {
      const root = await inside(bench, [{ name: 'x/f', content: 'layer' }]);
      const change = 'cat /x/f; echo changed > /x/f; echo > /x/new; rm -r /x/f; ls -A /x';
      for (let i = 0; i < 3; i++) assert.equal(await root.run(change), 'layernew\n');
      const many = await Promise.all(Array.from({ length: 8 }, () => root.run(change)));
      assert.deepEqual(new Set(many), new Set(['layernew\n']));
    },
  ],
  [
    'a layer that is there several times, one between them that hides some of it',
    async (bench) => {
      const layer = [
        { name: 'x/a', content: '1' },
        { name: 'x/b', content: '2' },
      ];
      const between = [
        { name: 'x/.wh.a', content: '' },
        { name: 'x/b', content: 'other' },
        { name: 'x/c', content: '3' },
      ];
      const root = await inside(bench, layer, between, layer, [], []);
      assert.equal(await root.run('cd /x; echo *; cat a b c'), 'a b c\n123');
    },
  ],
  [
    'the root is for everybody where no layer says otherwise',
    async (bench) => {
      const root = await inside(bench, [{ name: 'x/file', content: '' }]);
      assert.equal(await root.run('stat -c %a /'), '755\n');
    },
  ],
  [
    'sixty layers',
    async (bench) => {
      const layers = Array.from({ length: 60 }, (_, i) => [
        { name: `x/f${i}`, content: '' },
        { name: 'x/top', content: String(i) },
      ]);
      const root = await inside(bench, ...layers);
      assert.equal(await root.run('ls /x | wc -l; cat /x/top'), '61\n59');
    },
  ],
];
