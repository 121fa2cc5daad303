import { existsSync, fstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { IdRanges, RANGE_SIZE } from '../../../lib/security/id-ranges.js';
import { refusal } from '../../support/refusal.js';

/** Locks of files among "processes" that are told apart by name. */
class Kernel {
  readonly held = new Map<number, string>();

  process(name: string): (fd: number) => boolean {
    return (fd) => {
      const { ino } = fstatSync(fd);
      const holder = this.held.get(ino) ?? name;
      if (holder === name) this.held.set(ino, name);
      return holder === name;
    };
  }
}

let directory: string;
let kernel: Kernel;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'cloister-ids-'));
  kernel = new Kernel();
});
afterEach(() => rmSync(directory, { recursive: true }));

const open = (process = 'a'): IdRanges => new IdRanges(join(directory, 'ids'), kernel.process(process));
const FIRST = 0x7000_0000;

describe('one process', () => {
  test('touches nothing before the first sandbox', () => {
    open();
    expect(existsSync(join(directory, 'ids'))).toBe(false);
  });

  test('gives each sandbox a range of its own, far above those of people', () => {
    const ids = open();
    const ranges = Array.from({ length: 600 }, () => ids.take());
    expect(new Set(ranges.map(({ base }) => base)).size).toBe(600);
    for (const { base, map } of ranges) {
      expect(base).toBeGreaterThanOrEqual(FIRST);
      expect(base % RANGE_SIZE).toBe(0);
      expect(base + RANGE_SIZE).toBeLessThanOrEqual(2 ** 32 - 1);
      expect(map).toEqual([{ inside: 0, outside: base, count: 65_536 }]);
    }
    expect(readdirSync(join(directory, 'ids'))).toHaveLength(3);
    ids.dispose();
  });

  test('tells which one comes next, and gives back the last first', () => {
    const ids = open();
    const first = ids.take();
    const second = ids.take();
    const { nextBase } = ids;
    expect(nextBase).toBeDefined();
    expect([first.base, second.base]).not.toContain(nextBase);
    expect(ids.take().base).toBe(nextBase);
    second[Symbol.dispose]();
    ids.take();
    expect(ids.take().base).toBe(second.base);
    ids.dispose();
  });

  test('giving a range back twice does not make it two', () => {
    const ids = open();
    const range = ids.take();
    range[Symbol.dispose]();
    range[Symbol.dispose]();
    const bases = Array.from({ length: 300 }, () => ids.take().base);
    expect(new Set(bases).size).toBe(300);
    ids.dispose();
  });
});

describe('two processes', () => {
  test('never use one range at the same time', () => {
    const [a, b] = [open('a'), open('b')];
    const bases = [a, b, b, a, a, b].map((ids) => ids.take().base);
    const more = [a, b].flatMap((ids) => Array.from({ length: 400 }, () => ids.take().base));
    expect(new Set([...bases, ...more]).size).toBe(806);
    a.dispose();
    b.dispose();
  });

  test('what one gives up, another gets', () => {
    const a = open('a');
    const { base } = a.take();
    a.dispose();
    kernel.held.clear();
    const b = open('b');
    expect(b.take().base).toBe(base);
    b.dispose();
  });

  test('all taken: an error that says what to do', () => {
    const none = new IdRanges(join(directory, 'ids'), () => false);
    const error = refusal(() => none.take());
    expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', subject: join(directory, 'ids') });
    expect(error.message).toContain('32768');
    expect(error.hint).toContain('remove sandboxes');
  });
});

test('descriptors are closed: those of foreign locks at once, own ones with the object', () => {
  const count = (): number => readdirSync('/proc/self/fd').length;
  const before = count();
  const a = open('a');
  a.take();
  const b = open('b');
  b.take();
  expect(count()).toBe(before + 2);
  a.dispose();
  b.dispose();
  a.dispose();
  expect(count()).toBe(before);
});
