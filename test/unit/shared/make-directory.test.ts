import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { makeDirectory } from '../../../lib/shared/make-directory.js';
import { refusal } from '../../support/refusal.js';

const scratch = mkdtempSync(join(tmpdir(), 'cloister-test-'));
afterAll(() => rmSync(scratch, { recursive: true }));

test('every directory on the way is made, with that mode; again is no harm', () => {
  const path = join(scratch, 'a/b/c');
  makeDirectory(path, 0o700);
  makeDirectory(path, 0o755);
  for (const each of [path, join(path, '..')]) expect(statSync(each).mode & 0o777).toBe(0o700);
});

test('below a link to a directory', () => {
  mkdirSync(join(scratch, 'real'));
  symlinkSync('real', join(scratch, 'link'));
  makeDirectory(join(scratch, 'link/x'), 0o700);
  expect(statSync(join(scratch, 'real/x')).isDirectory()).toBe(true);
});

test.each<[string, string, (path: string) => string]>([
  ['a file', 'EEXIST', (path) => path],
  ['below a file', 'ENOTDIR', (path) => join(path, 'x/y')],
])('%s: %s', (_, errno, below) => {
  const file = join(scratch, `file-${errno}`);
  writeFileSync(file, 'kept');
  const path = below(file);
  const error = refusal(() => makeDirectory(path, 0o700));
  expect(error).toMatchObject({ code: 'ERR_KERNEL', errno, subject: path });
  expect(error.hint).toContain('in the way');
  expect(readFileSync(file, 'utf8')).toBe('kept');
});

test('a link that leads nowhere', () => {
  const path = join(scratch, 'dangling');
  symlinkSync('/no/such/place', path);
  expect(refusal(() => makeDirectory(path, 0o700))).toMatchObject({ code: 'ERR_KERNEL', errno: 'EEXIST' });
});

// Node's own does not return.
test('where nothing can be made', () => {
  expect(refusal(() => makeDirectory('/proc/none/such', 0o700))).toMatchObject({ code: 'ERR_KERNEL' });
});
