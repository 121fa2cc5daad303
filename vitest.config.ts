import { defineConfig } from 'vitest/config';

/**
 * `unit` needs no privileges and no build; `root` needs root, a built addon and a kernel that is allowed to change.
 * Every file gets a process of its own: a leak is then the leak of one file.
 */
export default defineConfig({
  test: {
    pool: 'forks',
    reporters: ['default', './test/support/strict-reporter.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/architecture.test.ts', 'test/unit/**/*.test.ts', 'test/fuzz/**/*.test.ts'],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          // Needs the build of scripts/test-native.sh, which runs it.
          name: 'native',
          include: ['test/native/**/*.test.ts'],
          testTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'root',
          include: [
            'test/integration/root/**/*.test.ts',
            'test/conformance/**/*.test.ts',
            'test/escape/**/*.test.ts',
            'test/examples.test.ts',
          ],
          exclude: [],
          // Generous: the virtual machine of `npm run test:vm` has no hardware help.
          testTimeout: 300_000,
          hookTimeout: 300_000,
          maxWorkers: 1,
          fileParallelism: false,
        },
      },
    ],
  },
});
