import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { Host } from '../../../lib/index.js';

afterAll(() => Host.default.close());

const run = promisify(execFile);
const cli = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));

test('the report names what works, and a remedy for what does not', async () => {
  const report = await Host.doctor();
  expect(report.ok).toBe(true);
  expect(report.checks.length).toBeGreaterThan(5);
  for (const check of report.checks) {
    expect(check.name).not.toBe('');
    if (check.status !== 'ok') expect(check.remedy, check.name).toMatch(/\w/);
  }
});

test('the same from the command line', async () => {
  const { stdout } = await run(process.execPath, [cli, 'doctor']);
  expect(stdout).toMatch(/control groups/);
  const json = JSON.parse((await run(process.execPath, [cli, 'doctor', '--json'])).stdout) as { ok: boolean };
  expect(json.ok).toBe(true);
});

test('a command that does not exist says what does', async () => {
  const failure = run(process.execPath, [cli, 'nonsense']);
  await expect(failure).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('doctor') as string });
});
