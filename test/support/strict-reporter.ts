import { appendFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

/**
 * Makes a skipped test a failure, and writes `{ passed, failed, failures }` of the run as one line of JSON to the file that
 * CLOISTER_TEST_COUNTS names; `failures` says of each which it is and why, for the end of a long log.
 */
export default class StrictReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0;
    const failures = errors.map((error) => `outside of every test: ${reason(error)}`);
    for (const module of modules) {
      failures.push(...module.errors().map((error) => `${module.relativeModuleId}: ${reason(error)}`));
      for (const test of module.children.allTests()) {
        const { state, errors = [] } = test.result();
        if (state === 'passed') {
          passed++;
          continue;
        }
        const why = state === 'failed' ? reason(errors[0]) : `${state}; a test that does not run proves nothing`;
        const failure = `${module.relativeModuleId} > ${test.fullName}: ${why}`;
        if (state !== 'failed') console.error(failure);
        failures.push(failure);
      }
    }
    if (failures.length > 0) process.exitCode = 1;
    const file = process.env['CLOISTER_TEST_COUNTS'];
    const counts = { passed, failed: failures.length, failures };
    if (file !== undefined) appendFileSync(file, `${JSON.stringify(counts)}\n`);
  }
}

/** Three lines hold what was expected and what came. */
function reason(error: unknown): string {
  const message = error instanceof Object && 'message' in error ? String(error.message) : String(error);
  return message.split('\n', 3).join('\n    ').slice(0, 600);
}
