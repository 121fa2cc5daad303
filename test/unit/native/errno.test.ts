import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { errnoName } from '../../../lib/native/errno.js';
import { callAddon, kernelError } from '../../../lib/native/kernel.js';
import { refusal } from '../../support/refusal.js';

test('every number that the kernel returns has a name', () => {
  // errno(3): these are not in use, or were for machines that are no more.
  const unused = [41, 45, 46, 47, 48, 50, 51, 58, 59, 68, 69];
  for (let number = 1; number <= 133; number++) {
    if (!unused.includes(number)) expect(errnoName(number), String(number)).toMatch(/^E[A-Z0-9]+$/);
  }
  expect(errnoName(9999)).toBe('errno 9999');
});

test('Node’s own names are the same', () => {
  const others: Record<string, string> = { EWOULDBLOCK: 'EAGAIN', ENOTSUP: 'EOPNOTSUPP' };
  for (const [name, number] of Object.entries(constants.errno)) expect(errnoName(number)).toBe(others[name] ?? name);
});

describe('a failed call', () => {
  test('reads as the call, its subject and the errno', () => {
    expect(kernelError({ syscall: 'open_tree(2)', errno: 13, subject: '/var/lib/x' })).toMatchObject({
      code: 'ERR_KERNEL',
      message: 'open_tree(2) /var/lib/x: EACCES',
      syscall: 'open_tree(2)',
      errno: 'EACCES',
      subject: '/var/lib/x',
    });
    expect(kernelError({ syscall: 'clone3(2)', errno: 117, subject: '' }, 'do this').message).toBe(
      'clone3(2): EUCLEAN\n  hint: do this',
    );
  });

  test('what the addon throws becomes one, what anybody else throws stays', () => {
    const failing = (error: Error) => () =>
      callAddon(() => {
        throw error;
      });
    const thrown = Object.assign(new Error('bpf(2)'), { syscall: 'bpf(2)', errno: 1, subject: 'load' });
    expect(refusal(failing(thrown))).toMatchObject({ code: 'ERR_KERNEL', errno: 'EPERM', subject: 'load' });
    expect(failing(new TypeError('no'))).toThrow(TypeError);
    expect(callAddon(() => 5)).toBe(5);
  });
});
