import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  checkAmount,
  checkBoolean,
  checkChoice,
  checkDuration,
  checkEnv,
  checkHostPath,
  checkInteger,
  checkList,
  checkNumber,
  checkObject,
  checkPath,
  checkSignal,
  checkSize,
  checkText,
  checkTexts,
} from '../../../lib/api/check.js';
import { refusal } from '../../support/refusal.js';

/** Calls a check that gets the option's name, and shows what it says. */
const said = (check: () => unknown): string => refusal(check).message;

describe('an absent value is what was to be used then', () => {
  test.each([
    [() => checkSize('o', undefined, 5)],
    [() => checkDuration('o', undefined, 5)],
    [() => checkNumber('o', undefined, [0, 1], 5)],
    [() => checkInteger('o', undefined, [0, 1], 5)],
    [() => checkAmount('o', undefined, 5)],
    [() => checkText('o', undefined, 5)],
    [() => checkChoice('o', undefined, ['a'], 5)],
  ])('%#', (check) => {
    expect(check()).toBe(5);
  });

  test('flags, lists, texts and signals, too', () => {
    expect(checkBoolean('o', undefined, true)).toBe(true);
    expect(checkList('o', undefined, () => 1)).toEqual([]);
    expect([checkTexts('o', undefined), checkEnv('o', undefined)]).toEqual([{}, {}]);
    expect(checkSignal('o', undefined)).toBeUndefined();
  });
});

test('a message has the option, what was expected, and what was given', () => {
  expect(said(() => checkSize('limits.memory', 'lots', 0))).toBe(
    'limits.memory: expected bytes or a size such as \'256MiB\', got "lots"',
  );
  expect(refusal(() => checkInteger('a.b', 1.5, [0, 9], 0))).toMatchObject({
    code: 'ERR_INVALID_OPTION',
    subject: 'a.b',
    message: 'a.b: expected a whole number from 0 to 9, got 1.5',
  });
  expect(said(() => checkText('o', null, ''))).toContain('got null');
  expect(said(() => checkText('o', ['a', 'b'], ''))).toContain('got an array of 2');
  expect(said(() => checkText('o', {}, ''))).toContain('got an object');
  expect(said(() => checkText('o', () => 1, ''))).toContain('got a function');
  expect(said(() => checkText('o', 12n, ''))).toContain('got 12n');
  expect(said(() => checkPath('o', 'x'.repeat(500))).length).toBeLessThan(200);
});

describe('objects', () => {
  test('a misspelt key is named with what there is', () => {
    const error = refusal(() => checkObject('limits', { memroy: 1 }, ['memory', 'pids']));
    expect(error).toMatchObject({ subject: 'limits.memroy', hint: 'no such option' });
    expect(error.message).toContain('one of memory, pids');
    expect(refusal(() => checkObject('', { memroy: 1 }, ['memory'])).subject).toBe('memroy');
  });

  test.each([[null], [[]], ['text'], [1], [undefined], [() => 1]])('%j is none', (value) => {
    expect(said(() => checkObject('o', value, []))).toMatch(/^o: expected an object/);
    expect(said(() => checkObject('', value, []))).toMatch(/^options: expected an object/);
  });
});

describe('numbers', () => {
  test.each([[NaN], ['1'], [null], [-1], [11], [1n], [{}], [true], [Infinity]])('%s is not from 0 to 10', (value) => {
    expect(said(() => checkNumber('o', value, [0, 10], 0))).toContain('a number from 0 to 10');
    expect(said(() => checkInteger('o', value, [0, 10], 0))).toContain('from 0 to 10');
  });

  test('the ends of a range belong to it', () => {
    expect([checkNumber('o', 0, [0, 10], 5), checkInteger('o', 10, [0, 10], 5)]).toEqual([0, 10]);
    expect(checkNumber('o', 0.5, [0, 10], 5)).toBe(0.5);
  });

  test.each([[1.5], [-1], [NaN], [2 ** 53], [-Infinity], ['1'], [null], [1n]])('%s is no amount', (value) => {
    expect(said(() => checkAmount('o', value, 0))).toContain('a whole number of at least 0, or Infinity');
  });

  test('amounts', () => {
    expect([0, 7, 2 ** 53 - 1, Infinity].map((value) => checkAmount('o', value, 1))).toEqual([
      0,
      7,
      2 ** 53 - 1,
      Infinity,
    ]);
  });

  test('a least size', () => {
    expect(checkSize('o', '4KiB', 0, 4096)).toBe(4096);
    expect(said(() => checkSize('o', 4095, 0, 4096))).toContain('at least 4096');
    expect(said(() => checkSize('o', 0, 0, 1))).toContain('at least 1');
    expect(checkSize('o', 0, 5)).toBe(0);
  });

  test.each([[-1], [1.5], ['-1MB'], ['1'], ['MB'], ['1 XB'], [Infinity], [NaN], ['9999999TB'], [{}]])(
    '%s is no size',
    (value) => {
      expect(said(() => checkSize('o', value, 0))).toContain('bytes or a size');
    },
  );

  test.each([[-1], ['5'], ['s'], ['-5s'], [NaN], [-Infinity], [null], ['5y']])('%s is no duration', (value) => {
    expect(said(() => checkDuration('o', value, 0))).toContain('milliseconds or a duration');
  });
});

describe('texts', () => {
  test('a NUL ends the kernel’s texts, so none may have one', () => {
    expect(said(() => checkText('o', 'a\0b', ''))).toContain('a text without NUL characters');
    expect(checkText('o', '', 'absent')).toBe('');
  });

  test('numbers are texts where texts are asked for', () => {
    expect(checkTexts('o', { a: 1, b: 'x' })).toEqual({ a: '1', b: 'x' });
    expect(refusal(() => checkTexts('labels', { a: undefined })).subject).toBe('labels.a');
    expect(refusal(() => checkTexts('labels', { a: 'x\0' })).subject).toBe('labels.a');
    expect(refusal(() => checkTexts('labels', { a: true })).subject).toBe('labels.a');
    expect(said(() => checkTexts('labels', ['a']))).toContain('an object of texts');
  });

  test.each([
    [{ '': 'x' }],
    [{ 'A=B': 'x' }],
    [{ 'A\0': 'x' }],
    [{ A: 1 }],
    [{ A: 'x\0' }],
    [{ A: undefined }],
    [['A=B']],
    ['A=B'],
  ])('%j is no environment', (value) => {
    expect(refusal(() => checkEnv('env', value)).subject).toMatch(/^env/);
  });

  test('a value may hold what a name may not', () => {
    expect(checkEnv('env', { A: 'a=b', ü: '' })).toEqual({ A: 'a=b', ü: '' });
  });

  test('a choice is one of the words, not something that reads like it', () => {
    expect(checkChoice('o', 'a', ['a', 'b'], 'b')).toBe('a');
    for (const value of ['A', ['a'], null, 0]) {
      expect(said(() => checkChoice('o', value, ['a', 'b'], 'b'))).toContain("'a' or 'b'");
    }
  });

  test('flags', () => {
    for (const value of ['true', 1, null, 0])
      expect(said(() => checkBoolean('o', value, true))).toContain('true or false');
    expect(checkBoolean('o', false, true)).toBe(false);
  });

  test('an item of a list is named by its place', () => {
    expect(refusal(() => checkList('o', ['a', 1], (option, value) => checkText(option, value, ''))).subject).toBe(
      'o[1]',
    );
    expect(said(() => checkList('o', { length: 1 }, () => 1))).toContain('an array');
  });

  test('signals', () => {
    const { signal } = new AbortController();
    expect(checkSignal('o', signal)).toBe(signal);
    expect(said(() => checkSignal('o', { aborted: false }))).toContain('an AbortSignal');
  });
});

describe('paths', () => {
  test.each([
    ['/', '/'],
    ['//', '/'],
    ['/.', '/'],
    ['/./', '/'],
    ['/a/', '/a'],
    ['//a///b//', '/a/b'],
    ['/./proc/.', '/proc'],
    ['/a/.b/..c', '/a/.b/..c'],
  ])('%s means %s', (path, meant) => {
    expect(checkPath('o', path)).toBe(meant);
  });

  test.each([['a'], ['./a'], ['/..'], ['/a/../b'], ['/a/..'], [''], ['/a\0'], [undefined], [1], [null]])(
    '%j is refused',
    (path) => {
      expect(said(() => checkPath('o', path))).toMatch(
        /^o: expected (an absolute path without '\.\.'|a text without NUL)/,
      );
    },
  );

  test('something of the host, by its real name', () => {
    const directory = mkdtempSync(join(tmpdir(), 'cloister-check-'));
    try {
      symlinkSync('/etc', join(directory, 'link'));
      symlinkSync('loop', join(directory, 'loop'));
      const check = (path: string) => checkHostPath('o', path, 'a thing');
      expect(check(`${directory}/`).path).toBe(directory);
      expect(check(directory).about.isDirectory()).toBe(true);
      expect(said(() => check(join(directory, 'absent')))).toContain('a thing that exists');
      expect(said(() => check('/etc/passwd/below'))).toContain('a thing that exists');
      expect(said(() => check(join(directory, 'link')))).toContain('without symbolic links');
      expect(refusal(() => check(join(directory, 'link/passwd'))).hint).toBe('it leads to /etc/passwd');
      expect(refusal(() => check(join(directory, 'loop'))).hint).toContain('ELOOP');
      expect(refusal(() => check(`/${'x'.repeat(5000)}`)).hint).toContain('ENAMETOOLONG');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
