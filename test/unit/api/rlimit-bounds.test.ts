import { describe, expect, test } from 'vitest';
import { checkProcess } from '../../../lib/api/process-spec.js';
import { checkRlimitBound, type RlimitBounds } from '../../../lib/api/rlimit-bounds.js';
import { RLIMITS } from '../../../lib/security/rlimits.js';
import { refusal } from '../../support/refusal.js';

const line = (name: string, soft: string, hard: string): string =>
  `${name.padEnd(25)} ${soft.padEnd(20)} ${hard.padEnd(20)} units`;

/** A host with 1,000,000 open files at most; an application with 20,000 of them, and 50 of everything else. */
const bounds = (capabilities: string): RlimitBounds => ({
  nrOpen: '1000000\n',
  ownLimits: [
    line('Limit', 'Soft Limit', 'Hard Limit'),
    ...Object.keys(RLIMITS).map((name) =>
      name === 'stack' ? line(name, '8', 'unlimited') : line(name, '10', name === 'nofile' ? '20000' : '50'),
    ),
  ].join('\n'),
  ownStatus: `CapEff:\t${capabilities}\n`,
});
const ROOT = bounds('000001ffffffffff');
const PLAIN = bounds('0000000000000000');

const both = (value: number): { soft: number; hard: number } => ({ soft: value, hard: value });

describe('limits of a process that this host does not give', () => {
  test.each<[string, keyof typeof RLIMITS, number, boolean, RlimitBounds, string, string]>([
    ['rlimits.nofile', 'nofile', 1e7, false, ROOT, 'ERR_INVALID_OPTION', 'at most 1000000, /proc/sys/fs/nr_open'],
    ['limits.files', 'nofile', 2 ** 31, true, ROOT, 'ERR_INVALID_OPTION', 'got 2147483648'],
    ['rlimits.nofile', 'nofile', Infinity, true, ROOT, 'ERR_INVALID_OPTION', 'got Infinity'],
    // Root of the sandbox's own user namespace raises no hard limit.
    ['limits.files', 'nofile', 20_001, false, ROOT, 'ERR_PERMISSION', "at most 20000, this application's own"],
    ['rlimits.nofile', 'nofile', 20_001, true, PLAIN, 'ERR_PERMISSION', 'got 20001'],
    ['rlimits.core', 'core', Infinity, false, ROOT, 'ERR_PERMISSION', 'at most 50'],
  ])('%s: %s %d, on the host’s ids: %j', (option, name, value, isHostUser, host, code, text) => {
    const error = refusal(() => checkRlimitBound(option, name, both(value), isHostUser, host));
    expect(error).toMatchObject({ code, subject: option });
    expect(error.message).toContain(`${option}: expected `);
    expect(error.message).toContain(text);
    expect(error.hint).not.toBe('');
  });

  test.each<[keyof typeof RLIMITS, number, boolean, RlimitBounds]>([
    ['nofile', 20_000, false, PLAIN],
    ['nofile', 1_000_000, true, ROOT],
    ['core', 50, false, PLAIN],
    ['stack', Infinity, false, PLAIN],
    ['core', Infinity, true, ROOT],
  ])('%s %d is given', (name, value, isHostUser, host) => {
    expect(() => checkRlimitBound('option', name, both(value), isHostUser, host)).not.toThrow();
  });
});

test('both ways to ask for open files are looked at', () => {
  const limits = { cpuTimeMs: Infinity, files: 2 ** 31, ids: { kind: 'auto' } } as const;
  expect(refusal(() => checkProcess({}, limits)).subject).toBe('limits.files');
  const rlimits = { nofile: { soft: 5, hard: 1e10 } };
  expect(refusal(() => checkProcess({ rlimits }, { ...limits, files: undefined })).subject).toBe('rlimits.nofile');
});
