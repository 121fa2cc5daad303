import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { ERROR_CODES } from '../../lib/errors.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const pages = ['README.md', 'CHANGELOG.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)].filter(
  (path) => path.endsWith('.md'),
);
/** The files whose exports a user sees. */
const publicFiles = [...read('lib/index.ts').matchAll(/from '\.\/(.+)\.js'/g)].map(
  ([, path]) => `lib/${path ?? ''}.ts`,
);

/** What an example in a docstring takes for granted. */
const PRELUDE = `
import { createReadStream } from 'node:fs';
import { CloisterError, Host, Image, parseReference, RegistryClient, Sandbox, Volume } from 'cloister';
import { openLayer, removeLayer, unpackLayer } from 'cloister';
declare const box: Sandbox;
void [CloisterError, Host, Image, parseReference, RegistryClient, Sandbox, Volume, box];
void [createReadStream, openLayer, removeLayer, unpackLayer];
`;

/** Programs by the name under which a fault in them is told. */
function programs(): Map<string, string> {
  const found = new Map<string, string>();
  for (const page of pages) {
    for (const [, code = ''] of read(page).matchAll(/^```ts\n(.*?)^```$/gms)) {
      found.set(`${page} ${found.size}.ts`, `${code}\nexport {};\n`);
    }
  }
  for (const file of publicFiles) {
    for (const [, lines = ''] of read(file).matchAll(/^ *\* ```ts\n(.*?)^ *\* ```$/gms)) {
      // In a block of its own: an example may declare what the prelude has.
      found.set(`${file} ${found.size}.ts`, `${PRELUDE}{\n${lines.replace(/^ *\* ?/gm, '')}}\n`);
    }
  }
  return found;
}

/** What the compiler has to say about them. They are where the tests are: the package is found from there. */
function check(sources: ReadonlyMap<string, string>): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
    config: object;
  };
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, root);
  const files = new Map([...sources].map(([name, text]) => [join(root, 'test', name.replaceAll(/[/ ]/g, '_')), text]));
  const host = ts.createCompilerHost(options);
  host.fileExists = (path) => files.has(path) || ts.sys.fileExists(path);
  host.readFile = (path) => files.get(path) ?? ts.sys.readFile(path);
  host.getSourceFile = (path, target) => {
    const text = host.readFile(path);
    return text === undefined ? undefined : ts.createSourceFile(path, text, target);
  };
  const program = ts.createProgram({ rootNames: [...files.keys()], options, host });
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const at = file?.getLineAndCharacterOfPosition(start);
    const name = file?.fileName.slice(join(root, 'test/').length) ?? '';
    return `${name}:${(at?.line ?? 0) + 1}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

test('every program in the documentation and in a public docstring compiles', () => {
  const sources = programs();
  expect(sources.size).toBeGreaterThan(15);
  sources.set('wrong.ts', "import { Sandbox } from 'cloister';\nawait Sandbox.run('ls');\nexport {};\n");
  const faults = check(sources);
  expect(faults.filter((fault) => !fault.startsWith('wrong.ts:2:'))).toEqual([]);
  // The check does find what does not compile.
  expect(faults).toHaveLength(1);
});

/** Errors and records apart, what a user calls. */
const isCalled = (symbol: ts.Symbol): boolean =>
  (symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Function)) !== 0 && symbol.name !== 'RegistryAnswer';

test('all that is exported says what it is for, and what is called has an example', () => {
  const entry = join(root, 'lib/index.ts');
  const program = ts.createProgram([entry], {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    noCheck: true,
  });
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!;
  const symbols = checker.getExportsOfModule(module).map((symbol) => checker.getAliasedSymbol(symbol));
  expect(symbols.length).toBeGreaterThan(80);
  const silent = symbols.filter((symbol) => symbol.getDocumentationComment(checker).length === 0);
  const withoutExample = symbols.filter(
    (symbol) => isCalled(symbol) && !symbol.getJsDocTags(checker).some(({ name }) => name === 'example'),
  );
  expect([silent, withoutExample].map((each) => each.map(({ name }) => name))).toEqual([[], []]);
});

test('docs/errors.md has every code, in the order of the code, and no other', () => {
  const headings = [...read('docs/errors.md').matchAll(/^## (\S+)$/gm)].map(([, code]) => code);
  expect(headings).toEqual([...ERROR_CODES]);
});

test.each(pages)('links of %s lead somewhere', (page) => {
  const targets = [...read(page).matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map(([, target = '']) => target);
  const missing = targets.filter(
    (target) => !/^https?:/.test(target) && !existsSync(join(root, dirname(page), target)),
  );
  expect(missing).toEqual([]);
});
