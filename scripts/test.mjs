// Everything that has to hold, stage by stage; a stage that fails does not hide the others. Ends with what failed, a table of the
// stages, and `N passed, N failed`.
// usage: test.mjs [STAGE…]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A stage that reports no counts of its own is one test. */
const STAGES = {
  prepare: ['bash', 'scripts/prepare.sh', 'test'],
  types: ['npm', 'run', '--silent', 'typecheck'],
  lint: ['npm', 'run', '--silent', 'lint'],
  format: ['npm', 'run', '--silent', 'format:check'],
  'lint:native': ['npm', 'run', '--silent', 'lint:native'],
  docs: ['npm', 'run', '--silent', 'docs'],
  unit: ['npx', 'vitest', 'run', '--project', 'unit'],
  root: ['npx', 'vitest', 'run', '--project', 'root'],
  native: ['bash', 'scripts/test-native.sh'],
  vm: ['npm', 'run', '--silent', 'test:vm'],
};

function countsIn(file) {
  try {
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    return lines.map((line) => JSON.parse(line));
  } catch {
    return [];
  }
}

function runStage(name, directory) {
  const [command, ...args] = STAGES[name];
  const file = join(directory, name.replace(':', '-'));
  const env = { ...process.env, CLOISTER_TEST_COUNTS: file };
  console.log(`\n── ${name} ${'─'.repeat(70 - name.length)}`);
  const started = performance.now();
  const { status, signal, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], env });
  const hasFailed = status !== 0;
  if (hasFailed) console.log(`${name}: ${error?.message ?? signal ?? `exit code ${status}`}`);
  const counts = countsIn(file);
  if (counts.length === 0) counts.push({ passed: hasFailed ? 0 : 1, failed: hasFailed ? 1 : 0 });
  const passed = counts.reduce((sum, each) => sum + each.passed, 0);
  const failed = counts.reduce((sum, each) => sum + each.failed, 0);
  return {
    name,
    passed,
    failed: hasFailed ? Math.max(failed, 1) : failed,
    failures: counts.flatMap((each) => each.failures ?? []),
    seconds: (performance.now() - started) / 1000,
  };
}

function report(results) {
  for (const { name, failures } of results) {
    for (const failure of failures) console.log(`\nfailed in ${name}: ${failure}`);
  }
  console.log(`\n${'stage'.padEnd(12)} ${'passed'.padStart(7)} ${'failed'.padStart(7)} ${'seconds'.padStart(8)}`);
  for (const { name, passed, failed, seconds } of results) {
    console.log(
      `${name.padEnd(12)} ${String(passed).padStart(7)} ${String(failed).padStart(7)} ${seconds.toFixed(0).padStart(8)}`,
    );
  }
  const passed = results.reduce((sum, each) => sum + each.passed, 0);
  const failed = results.reduce((sum, each) => sum + each.failed, 0);
  console.log(`\n${passed} passed, ${failed} failed`);
  return failed;
}

const names = process.argv.slice(2);
const wanted = names.length === 0 ? Object.keys(STAGES) : names;
const unknown = wanted.filter((name) => !(name in STAGES));
if (unknown.length > 0) {
  console.error(`no such stage: ${unknown.join(', ')}; there are ${Object.keys(STAGES).join(', ')}`);
  process.exit(2);
}

const directory = mkdtempSync(join(tmpdir(), 'cloister-counts-'));
try {
  const results = [];
  for (const name of wanted) {
    results.push(runStage(name, directory));
    // Nothing can be said of what was not built.
    if (name === 'prepare' && results[0].failed > 0) break;
  }
  process.exitCode = report(results) === 0 ? 0 : 1;
} finally {
  rmSync(directory, { recursive: true });
}
