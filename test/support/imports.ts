import { readdirSync, readFileSync } from 'node:fs';
import { dirname, posix } from 'node:path';
import ts from 'typescript';

/** One import, export-from, `import()` or `import('…').Type` of a source file. */
export interface Import {
  /** As it is written. */
  readonly specifier: string;
  /** The file that a relative one leads to, below the same root; undefined for a package. */
  readonly file: string | undefined;
  /** Erased by the compiler. */
  readonly isType: boolean;
  readonly line: number;
}

export interface Source {
  /** Below the root: `cgroup/open.ts`. */
  readonly file: string;
  readonly imports: readonly Import[];
  readonly tree: ts.SourceFile;
}

function isTypeClause(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const { name, namedBindings } = clause;
  return (
    name === undefined &&
    namedBindings !== undefined &&
    ts.isNamedImports(namedBindings) &&
    namedBindings.elements.every(({ isTypeOnly }) => isTypeOnly)
  );
}

/** What a node imports, when it is one of the forms that name a module. */
function importOf(node: ts.Node): { specifier: ts.Node | undefined; isType: boolean } | undefined {
  if (ts.isImportDeclaration(node)) return { specifier: node.moduleSpecifier, isType: isTypeClause(node.importClause) };
  if (ts.isExportDeclaration(node)) return { specifier: node.moduleSpecifier, isType: node.isTypeOnly };
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return { specifier: node.argument.literal, isType: true };
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return { specifier: node.arguments[0], isType: false };
  }
  return undefined;
}

export function parseSource(file: string, text: string): Source {
  const tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const imports: Import[] = [];
  const visit = (node: ts.Node): void => {
    const found = importOf(node);
    if (found?.specifier !== undefined) {
      if (!ts.isStringLiteral(found.specifier)) throw new Error(`${file}: an import whose module is computed`);
      const specifier = found.specifier.text;
      const target = posix.join(dirname(file), specifier).replace(/\.js$/, '.ts');
      const line = tree.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      imports.push({ specifier, file: specifier.startsWith('.') ? target : undefined, isType: found.isType, line });
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return { file, imports, tree };
}

/** Every TypeScript file below a directory. */
export function readSources(root: string): Source[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .sort()
    .map((file) => parseSource(file, readFileSync(posix.join(root, file), 'utf8')));
}

/** The first circle in a graph, as the way around it; undefined when there is none. */
export function findCircle(edges: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const finished = new Set<string>();
  const walk = (node: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node];
    if (finished.has(node)) return undefined;
    for (const next of edges.get(node) ?? []) {
      const circle = walk(next, [...path, node]);
      if (circle !== undefined) return circle;
    }
    finished.add(node);
    return undefined;
  };
  for (const node of edges.keys()) {
    const circle = walk(node, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}
