import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { checkCommand, checkTerminalSize, splitRunOptions } from '../../../lib/api/command-spec.js';
import { checkSandbox } from '../../../lib/api/sandbox-spec.js';
import { refusal } from '../../support/refusal.js';

const sandbox = checkSandbox({});
const check = (options: unknown, argv: unknown = ['true']) => checkCommand(argv, options, sandbox, 60_000);

describe('program and arguments', () => {
  test.each<[unknown, string]>([
    ['ls -l', 'command'],
    [[], 'command'],
    [undefined, 'command'],
    [null, 'command'],
    [{ 0: 'ls', length: 1 }, 'command'],
    [[''], 'command[0]'],
    [['ls', 5], 'command[1]'],
    [['ls', undefined], 'command[1]'],
    [['ls', null], 'command[1]'],
    [['ls\0'], 'command[0]'],
    [['ls', 'x'.repeat(131_072)], 'command[1]'],
    [['ls', 'ü'.repeat(65_536)], 'command[1]'],
  ])('%#: refused at $1', (argv, subject) => {
    expect(refusal(() => checkCommand(argv, {}, sandbox, 1))).toMatchObject({ code: 'ERR_INVALID_OPTION', subject });
  });

  test('a text gets a hint how to run a shell', () => {
    expect(refusal(() => check({}, 'ls -l')).hint).toContain("['sh', '-c', line]");
  });

  test('an argument may be empty, and nearly 128 KiB', () => {
    expect(check({}, ['ls', '', 'x'.repeat(131_071)]).argv).toHaveLength(3);
  });
});

describe('options', () => {
  test.each<[object, string]>([
    [{ timout: 5 }, 'timout'],
    [{ timeout: 'soon' }, 'timeout'],
    [{ timeout: -1 }, 'timeout'],
    [{ cpuTime: {} }, 'cpuTime'],
    [{ encoding: 'latin1' }, 'encoding'],
    [{ capture: 'no' }, 'capture'],
    [{ keepDescendants: 1 }, 'keepDescendants'],
    [{ reject: 'true' }, 'reject'],
    [{ signal: {} }, 'signal'],
    [{ stdin: 5 }, 'stdin'],
    [{ stdin: null }, 'stdin'],
    [{ stdin: {} }, 'stdin'],
    [{ stdin: ['a'] }, 'stdin'],
    [{ tty: 'yes' }, 'tty'],
    [{ tty: null }, 'tty'],
    [{ tty: { width: 5 } }, 'tty.width'],
    [{ tty: { columns: 0 } }, 'tty.columns'],
    [{ tty: { rows: 65_536 } }, 'tty.rows'],
    [{ cwd: '..' }, 'cwd'],
    [{ name: 'box' }, 'name'],
  ])('%j is refused', (options, subject) => {
    expect(refusal(() => check(options))).toMatchObject({ code: 'ERR_INVALID_OPTION', subject });
  });

  test('every default', () => {
    expect(check(undefined)).toEqual({
      ...sandbox.command,
      argv: ['true'],
      timeoutMs: 60_000,
      stdin: { kind: 'none' },
      tty: undefined,
      encoding: 'utf8',
      capture: true,
      keepDescendants: false,
      reject: false,
      signal: undefined,
    });
    expect(Object.isFrozen(check({}))).toBe(true);
  });

  test('what is read', () => {
    const stream = new PassThrough();
    const bytes = new Uint8Array([1, 2]);
    expect(check({ stdin: 'none' }).stdin).toEqual({ kind: 'none' });
    expect(check({ stdin: 'pipe' }).stdin).toEqual({ kind: 'pipe' });
    expect(check({ stdin: 'piped' }).stdin).toEqual({ kind: 'bytes', bytes: Buffer.from('piped') });
    expect(check({ stdin: '' }).stdin).toEqual({ kind: 'bytes', bytes: Buffer.alloc(0) });
    expect(check({ stdin: bytes }).stdin).toEqual({ kind: 'bytes', bytes });
    expect(check({ stdin: stream }).stdin).toEqual({ kind: 'stream', stream });
  });

  test('a terminal, which has no time limit of its own', () => {
    expect(check({ tty: false }).tty).toBeUndefined();
    expect(check({ tty: true })).toMatchObject({ tty: { columns: 80, rows: 24 }, timeoutMs: Infinity });
    expect(check({ tty: { columns: 120 }, timeout: '1s' })).toMatchObject({
      tty: { columns: 120, rows: 24 },
      timeoutMs: 1000,
    });
  });

  test('times', () => {
    expect(check({ timeout: Infinity }).timeoutMs).toBe(Infinity);
    // A timer of 0 would mean the next turn; so does 1, and 0 is not taken for "none".
    expect(check({ timeout: 0 }).timeoutMs).toBe(1);
    const limited = checkSandbox({ limits: { cpuTime: '2s' } });
    const cpu = (options: object): number => checkCommand(['true'], options, limited, 1).cpuTimeMs;
    expect([cpu({}), cpu({ cpuTime: '1s' }), cpu({ cpuTime: Infinity })]).toEqual([2000, 1000, Infinity]);
  });

  test('an aborted signal keeps a command from being made; bad options come first', () => {
    const signal = AbortSignal.abort('why');
    expect(refusal(() => check({ signal }))).toMatchObject({ code: 'ERR_ABORTED', cause: 'why' });
    expect(refusal(() => check({ signal, timeout: 'x' }))).toMatchObject({ subject: 'timeout' });
  });
});

describe('Sandbox.run', () => {
  test('its options are those of a sandbox and those of its command', () => {
    const { signal } = new AbortController();
    const host = {};
    const options = { env: { A: '1' }, limits: {}, stdin: 'x', timeout: 5, signal, host, tty: true, labels: {} };
    expect(splitRunOptions(options)).toEqual({
      sandbox: { env: { A: '1' }, limits: {}, labels: {} },
      exec: { stdin: 'x', timeout: 5, signal, tty: true },
      host,
    });
  });

  test('a misspelt one is found before anything else', () => {
    expect(refusal(() => splitRunOptions({ memory: 5 })).subject).toBe('memory');
  });
});

describe('a new size of a terminal', () => {
  test.each<[unknown, string]>([
    [undefined, 'options'],
    [null, 'options'],
    [{}, 'size.columns'],
    [{ columns: 80 }, 'size.rows'],
    [{ columns: -1, rows: 24 }, 'size.columns'],
    [{ columns: 80, rows: 'x' }, 'size.rows'],
    [{ columns: 80, rows: 65_536 }, 'size.rows'],
    [{ columns: NaN, rows: 24 }, 'size.columns'],
    [{ columns: 80, rows: 24, cells: 1 }, 'size.cells'],
  ])('%j is refused', (size, option) => {
    const error = refusal(() => checkTerminalSize(size));
    expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION' });
    expect(error.subject ?? error.message).toContain(option === 'options' ? 'size' : option);
  });

  test('both sides', () => {
    expect(checkTerminalSize({ columns: 1, rows: 65_535 })).toEqual({ columns: 1, rows: 65_535 });
  });
});
