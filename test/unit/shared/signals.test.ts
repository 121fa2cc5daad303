import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { signalFromText, signalName, signalNumber } from '../../../lib/shared/signals.js';

test.each<[unknown, number | undefined]>([
  ['SIGTERM', 15],
  ['TERM', 15],
  ['sigterm', 15],
  ['kill', 9],
  [9, 9],
  [64, 64],
  [0, undefined],
  [-9, undefined],
  [65, undefined],
  [1.5, undefined],
  [NaN, undefined],
  ['', undefined],
  ['SIG', undefined],
  ['15', undefined],
  ['SIGSIGTERM', undefined],
  ['constructor', undefined],
  ['SIGRTMIN', 34],
  ['SIGRTMIN+0', 34],
  ['rtmin+3', 37],
  ['SIGRTMIN+30', 64],
  ['SIGRTMAX-30', 34],
  ['SIGRTMAX-1', 63],
  ['SIGRTMAX', 64],
  ['SIGRTMIN+31', undefined],
  ['SIGRTMAX-31', undefined],
  ['SIGRTMIN-1', undefined],
  ['SIGRTMAX+1', undefined],
  ['SIGRTMIN+', undefined],
  ['SIGRTMIN3', undefined],
  ['SIGRT', undefined],
  [null, undefined],
  [undefined, undefined],
  [{}, undefined],
  [9n, undefined],
  [['SIGTERM'], undefined],
])('%s is %s', (signal, number) => {
  expect(signalNumber(signal)).toBe(number);
});

test.each([
  ['15', 15],
  ['37', 37],
  ['64', 64],
  ['0', undefined],
  ['65', undefined],
  ['015', undefined],
  ['RTMIN+3', 37],
  ['SIGRTMIN+3', 37],
  ['QUIT', 3],
  ['SIGNOT', undefined],
  ['', undefined],
])('the text %j is %s', (text, number) => {
  expect(signalFromText(text)).toBe(number);
});

test.each([
  [1, 'SIGHUP'],
  [6, 'SIGABRT'],
  [9, 'SIGKILL'],
  [29, 'SIGIO'],
  [34, 'SIGRTMIN'],
  [35, 'SIGRTMIN+1'],
  [63, 'SIGRTMIN+29'],
  [64, 'SIGRTMAX'],
  [32, 'signal 32'],
  [0, 'signal 0'],
  [100, 'signal 100'],
])('%i is %s', (number, name) => {
  expect(signalName(number)).toBe(name);
});

test('every name that Node knows leads to a name for the same number', () => {
  for (const [name, number] of Object.entries(constants.signals)) {
    expect(signalNumber(name)).toBe(number);
    expect(signalNumber(signalName(number))).toBe(number);
  }
});

test('the name of every real-time signal leads back to it', () => {
  for (let number = 34; number <= 64; number++) expect(signalNumber(signalName(number))).toBe(number);
});
