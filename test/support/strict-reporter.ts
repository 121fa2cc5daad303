import { appendFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

/**
 * Makes a skipped test a failure, and writes `{ passed, failed }` of the run as one line of JSON to the file that
 * CLOISTER_TEST_COUNTS names.
 */
export default class StrictReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length };
    for (const module of modules) {
      count.failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') count.passed++;
        else count.failed++;
        if (state !== 'skipped' && state !== 'pending') continue;
        console.error(
          `${state}: ${module.relativeModuleId} > ${test.fullName}; a test that does not run proves nothing`,
        );
      }
    }
    if (count.failed > 0) process.exitCode = 1;
    const file = process.env['CLOISTER_TEST_COUNTS'];
    if (file !== undefined) appendFileSync(file, `${JSON.stringify(count)}\n`);
  }
}
