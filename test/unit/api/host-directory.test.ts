import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Host } from '../../../lib/index.js';
import { refusal } from '../../support/refusal.js';

const scratch = mkdtempSync(join(tmpdir(), 'cloister-test-'));
afterAll(() => rmSync(scratch, { recursive: true }));

describe.each(['root', 'stateDir'] as const)('%s of a host', (option) => {
  test.each<[string, RegExp]>([
    ['/etc/passwd', /a directory, .*\/etc\/passwd is a file/s],
    ['/etc/passwd/x/y', /\/etc\/passwd is a file/],
    ['/dev/null', /is a file/],
    ['/proc', /keeps files, .*procfs/s],
    ['/proc/x/y', /procfs/],
    ['/sys/kernel/x', /sysfs/],
    ['relative', /an absolute path/],
  ])('%s is refused', (path, expected) => {
    const error = refusal(() => new Host({ [option]: path }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', subject: option });
    expect(error.message).toMatch(expected);
  });

  test('one that is not there yet is taken, and not made', () => {
    const path = join(scratch, 'not/yet');
    expect(new Host({ [option]: path })[option]).toBe(path);
    expect(existsSync(path)).toBe(false);
  });
});
