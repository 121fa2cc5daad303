import { readdirSync, readFileSync } from 'node:fs';
import { dirname, posix } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { findCircle, parseSource, readSources, type Source } from './support/imports.js';

/** `docs/architecture.md`, "Layers": an import goes to a lower rank, or stays in its folder. */
const RANKS: Readonly<Record<string, number>> = {
  'errors.ts': 0,
  shared: 1,
  native: 2,
  image: 3,
  rootfs: 3,
  network: 3,
  volume: 3,
  cgroup: 3,
  security: 3,
  runtime: 4,
  api: 5,
  conformance: 6,
  'index.ts': 6,
  'cli.ts': 6,
};

/** Ports: whoever implements one is a driver, chosen in one place. */
const PORTS: readonly string[] = ['Kernel', 'CgroupManager', 'Snapshotter', 'NetworkDriver'];
const WIRING = 'api/open-services.ts';

/** The folder, or the file itself at the top. */
const layerOf = (file: string): string => file.split('/')[0] ?? '';

/** What is wrong with the imports of a file. */
function misplaced({ file, imports }: Source): string[] {
  const from = layerOf(file);
  return imports.flatMap(({ file: target, line }) => {
    if (target === undefined) return [];
    const to = layerOf(target);
    const [own, other] = [RANKS[from], RANKS[to]];
    if (own === undefined || other === undefined) {
      return [`lib/${file}:${line}: ${own === undefined ? from : to} has no rank; give it one in this test`];
    }
    return from === to || other < own ? [] : [`lib/${file}:${line}: ${from} (${own}) imports ${to} (${other})`];
  });
}

/** Whether a file holds a class that implements one of the ports. */
function isDriver({ tree }: Source): boolean {
  return tree.statements.some(
    (statement) =>
      ts.isClassDeclaration(statement) &&
      statement.heritageClauses?.some(
        ({ token, types }) =>
          token === ts.SyntaxKind.ImplementsKeyword &&
          types.some(({ expression }) => PORTS.includes(expression.getText(tree))),
      ) === true,
  );
}

/** Where a driver is taken in hand by another folder than its own. */
function strayWiring(sources: readonly Source[]): string[] {
  const drivers = new Set(sources.filter(isDriver).map(({ file }) => file));
  return sources.flatMap(({ file, imports }) =>
    imports
      .filter((each) => each.file !== undefined && !each.isType && drivers.has(each.file))
      .filter((each) => layerOf(file) !== layerOf(each.file ?? '') && file !== WIRING)
      .map((each) => `lib/${file}:${each.line} takes the driver ${each.specifier}; only lib/${WIRING} does`),
  );
}

/** Circles of types are erased, circles of values are an order of loading that nobody chose. */
function valueCircle(sources: readonly Source[]): string[] | undefined {
  return findCircle(
    new Map(
      sources.map(({ file, imports }) => [file, imports.flatMap((each) => (each.isType ? [] : (each.file ?? [])))]),
    ),
  );
}

describe('lib/', () => {
  const sources = readSources('lib');

  test('an import goes to a lower rank or stays in its folder', () => {
    expect(sources.flatMap(misplaced)).toEqual([]);
  });

  test('every import leads to a file', () => {
    const files = new Set(sources.map(({ file }) => file));
    const lost = sources.flatMap(({ file, imports }) =>
      imports
        .filter((each) => each.file !== undefined && !files.has(each.file))
        .map((each) => `${file}: ${each.specifier}`),
    );
    expect(lost).toEqual([]);
  });

  test('no file imports itself by a detour', () => {
    expect(valueCircle(sources)).toBeUndefined();
  });

  test(`drivers are wired to services in ${WIRING} only`, () => {
    expect(sources.filter(isDriver).length).toBeGreaterThan(2);
    expect(strayWiring(sources)).toEqual([]);
  });

  test('errors and shared things need no package, services no HTTP before they use it', () => {
    const early = sources
      .filter(({ file }) => ['errors.ts', 'shared'].includes(layerOf(file)))
      .flatMap(({ imports }) => imports.filter(({ specifier }) => !/^(\.|node:)/.test(specifier)));
    expect(early).toEqual([]);
    // undici takes 90 ms to load, which a start of a sandbox must not pay for.
    const eager = sources.flatMap(({ file, tree }) =>
      tree.statements
        .filter(ts.isImportDeclaration)
        .filter((each) => (each.moduleSpecifier as ts.StringLiteral).text === 'undici')
        .filter((each) => each.importClause?.phaseModifier !== ts.SyntaxKind.TypeKeyword)
        .map(() => file),
    );
    expect(eager).toEqual([]);
  });
});

describe('the rules bite', () => {
  const wrong = (file: string, text: string): string[] => misplaced(parseSource(file, text));

  test.each([
    ['a service imports another one', 'cgroup/a.ts', "import { b } from '../security/b.js';"],
    ['types count, too', 'native/a.ts', "import type { B } from '../rootfs/b.js';"],
    ['upwards', 'runtime/a.ts', "import { b } from '../api/b.js';"],
    ['by export', 'shared/a.ts', "export * from '../native/b.js';"],
    ['by import()', 'shared/a.ts', "const b = await import('../native/b.js');"],
    ['by the type of an import', 'shared/a.ts', "let b: import('../native/b.js').B;"],
    ['a folder without a rank', 'utils/a.ts', "import { b } from '../errors.js';"],
    ['the entry points', 'index.ts', "import { b } from './cli.js';"],
  ])('%s', (_, file, text) => {
    expect(wrong(file, text)).toHaveLength(1);
  });

  test('what is allowed', () => {
    const text =
      "import { a } from '../errors.js'; import { b } from './b.js'; import { c } from 'node:fs'; import type { D } from '../security/d.js';";
    expect(wrong('runtime/a.ts', text)).toEqual([]);
  });

  test('circles', () => {
    const circle = [
      parseSource('api/a.ts', "import { b } from './b.js';"),
      parseSource('api/b.ts', "import { type X, c } from './c.js';"),
      parseSource('api/c.ts', "export { a } from './a.js';"),
    ];
    expect(valueCircle(circle)).toEqual(['api/a.ts', 'api/b.ts', 'api/c.ts', 'api/a.ts']);
    const types = parseSource('api/c.ts', "import { type A } from './a.js'; export type { A } from './a.js';");
    expect(valueCircle([...circle.slice(0, 2), types])).toBeUndefined();
  });

  test('a driver wired elsewhere', () => {
    const driver = parseSource('cgroup/x.ts', 'export class X implements CgroupManager {}');
    const user = (text: string): Source => parseSource('runtime/y.ts', text);
    expect(strayWiring([driver, user("import { X } from '../cgroup/x.js';")])).toHaveLength(1);
    expect(strayWiring([driver, user("import type { X } from '../cgroup/x.js';")])).toEqual([]);
  });
});

/** `#include` lines of a C++ file: `<napi.h>` or `"../kernel/plan.h"`. */
function includesOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '');
  return [...code.matchAll(/^[ \t]*#[ \t]*include[ \t]*([<"][^>"]+[>"])/gm)].map((match) => match[1] ?? '');
}

/** `layers` is for the addon alone: the launcher has no C++ library. */
const MAY_REACH: Readonly<Record<string, readonly string[]>> = {
  kernel: ['kernel'],
  launcher: ['kernel', 'launcher'],
  layers: ['kernel', 'layers'],
  binding: ['kernel', 'layers', 'binding'],
};

/** What is wrong with an include of a file in `addon/<folder>/`. */
function misplacedInclude(folder: string, include: string): boolean {
  const name = include.slice(1, -1);
  if (include.startsWith('"')) {
    const target = posix.join(folder, name).split('/');
    const mayReach = MAY_REACH[folder];
    return target.length !== 2 || mayReach?.includes(target[0] ?? '') !== true;
  }
  if (folder === 'binding') return false;
  // Headers of the C library and the kernel end in .h, those of the C++ library do not; <cstdint> and its like are of the latter.
  const isLibrary = !name.endsWith('.h') && folder !== 'layers';
  return isLibrary || /^(napi|node|node_api|js_native_api|uv|v8)/.test(name);
}

describe('addon/', () => {
  const folders = Object.keys(MAY_REACH);
  const files = folders.flatMap((folder) =>
    readdirSync(`addon/${folder}`).map((name) => {
      const text = readFileSync(`addon/${folder}/${name}`, 'utf8');
      return { file: `${folder}/${name}`, folder, includes: includesOf(text) };
    }),
  );

  test('there is nothing but these folders', () => {
    expect(readdirSync('addon').sort()).toEqual([...folders].sort());
  });

  test('only binding/ knows JavaScript; kernel/ and launcher/ do without the C++ library', () => {
    const wrong = files.flatMap(({ file, folder, includes }) =>
      includes.filter((include) => misplacedInclude(folder, include)).map((include) => `addon/${file}: ${include}`),
    );
    expect(wrong).toEqual([]);
  });

  test.each([
    ['kernel', '<napi.h>'],
    ['kernel', '<string>'],
    ['kernel', '<cstdint>'],
    ['kernel', '"../launcher/init.h"'],
    ['launcher', '<node_api.h>'],
    ['launcher', '"../binding/convert.h"'],
    ['binding', '"../launcher/init.h"'],
  ])('%s may not include %s', (folder, include) => {
    expect(misplacedInclude(folder, include)).toBe(true);
  });

  test('no header includes itself by a detour', () => {
    const edges = new Map(
      files.map(({ file, includes }) => [
        file,
        includes.filter((each) => each.startsWith('"')).map((each) => posix.join(dirname(file), each.slice(1, -1))),
      ]),
    );
    expect(findCircle(edges)).toBeUndefined();
  });
});
