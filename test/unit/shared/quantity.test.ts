import { describe, expect, test } from 'vitest';
import { parseDuration, parseSize } from '../../../lib/shared/quantity.js';

describe('sizes', () => {
  test.each<[unknown, number | undefined]>([
    [0, 0],
    [1024, 1024],
    ['0B', 0],
    ['256MiB', 256 * 2 ** 20],
    ['1.5GB', 1.5e9],
    ['1.5 gib', 1.5 * 2 ** 30],
    [' 64 k ', 65_536],
    ['2M', 2 ** 21],
    ['1T', 2 ** 40],
    ['10KB', 10_000],
    ['0.4B', 0],
    ['1.B', undefined],
    ['.5B', undefined],
    ['1e3B', undefined],
    ['0x10B', undefined],
    ['1,5GB', undefined],
    ['1 000B', undefined],
    ['1GBB', undefined],
    ['1', undefined],
    ['', undefined],
    ['B', undefined],
    ['-1B', undefined],
    ['1constructor', undefined],
    ['9007199254740992B', undefined],
    ['8192TiB', undefined],
    ['8191TiB', 8191 * 2 ** 40],
    [-1, undefined],
    [0.5, undefined],
    [2 ** 53, undefined],
    [NaN, undefined],
    [Infinity, undefined],
    [1n, undefined],
    [null, undefined],
    [[1], undefined],
  ])('%s', (value, bytes) => {
    expect(parseSize(value)).toBe(bytes);
  });
});

describe('durations', () => {
  test.each<[unknown, number | undefined]>([
    [0, 0],
    [1500, 1500],
    [0.5, 0.5],
    [Infinity, Infinity],
    ['5s', 5000],
    ['1.5 m', 90_000],
    ['10ms', 10],
    ['2H', 7_200_000],
    ['1d', 86_400_000],
    ['0.4ms', 0],
    ['5', undefined],
    ['s', undefined],
    ['-5s', undefined],
    ['5 seconds', undefined],
    ['1h30m', undefined],
    ['Infinity', undefined],
    [-1, undefined],
    [-Infinity, undefined],
    [NaN, undefined],
    [null, undefined],
    [{}, undefined],
  ])('%s', (value, ms) => {
    expect(parseDuration(value)).toBe(ms);
  });
});
