import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, fstatSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { OutputBudget, OutputReader } from '../../../lib/runtime/output.js';

describe('a budget', () => {
  test('is for all streams together, and said once when it is used up', () => {
    const exceeded = vi.fn();
    const budget = new OutputBudget(10, exceeded);
    expect(String(budget.take(Buffer.from('12345')))).toBe('12345');
    expect(String(budget.take(Buffer.from('67890')))).toBe('67890');
    expect(budget.isExceeded).toBe(false);
    expect(exceeded).not.toHaveBeenCalled();
    expect(budget.take(Buffer.from('x'))).toHaveLength(0);
    expect(budget.take(Buffer.from('y'))).toHaveLength(0);
    expect(budget.isExceeded).toBe(true);
    expect(exceeded).toHaveBeenCalledTimes(1);
  });

  test('keeps what fits of a chunk', () => {
    const budget = new OutputBudget(3, () => undefined);
    expect(String(budget.take(Buffer.from('abcdef')))).toBe('abc');
  });

  test('of nothing', () => {
    const exceeded = vi.fn();
    const budget = new OutputBudget(0, exceeded);
    expect(budget.take(Buffer.alloc(0))).toHaveLength(0);
    expect(exceeded).not.toHaveBeenCalled();
    budget.take(Buffer.from('x'));
    expect(exceeded).toHaveBeenCalled();
  });
});

describe('a reader', () => {
  let directory: string;
  let write: number;
  let read: number;

  /** A FIFO is a pipe that can be made without the addon. */
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'cloister-output-'));
    const path = join(directory, 'fifo');
    execFileSync('mkfifo', [path]);
    read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    write = openSync(path, 'w');
  });
  afterEach(() => {
    if (write >= 0) closeSync(write);
    rmSync(directory, { recursive: true });
  });

  const reader = (maxBytes = 1000): OutputReader =>
    new OutputReader(new OutputBudget(maxBytes, () => undefined)).connect(read);

  test('takes at the end what is in the pipe, also while somebody else still holds it', () => {
    const output = reader();
    writeSync(write, 'some');
    writeSync(write, ' output');
    output.finish();
    expect(String(output.bytes)).toBe('some output');
    expect(() => fstatSync(read)).toThrow('EBADF');
  });

  test('of nothing is nothing', () => {
    const output = reader();
    output.finish();
    expect(output.bytes).toHaveLength(0);
    output.dispose();
    output.finish();
  });

  test('stops keeping at the budget', () => {
    const output = reader(4);
    writeSync(write, 'some output');
    output.finish();
    expect(String(output.bytes)).toBe('some');
  });

  test('hands out what comes as it comes', async () => {
    const output = reader();
    output.attach();
    const { stream } = output;
    let text = '';
    stream.on('data', (chunk: Buffer) => (text += String(chunk)));
    writeSync(write, 'one');
    await vi.waitFor(() => expect(text).toBe('one'), 10_000);
    writeSync(write, 'two');
    output.finish();
    await once(stream, 'end');
    expect(text).toBe('onetwo');
    expect(String(output.bytes)).toBe('onetwo');
  });

  test('whoever asks afterwards gets all of it', async () => {
    const output = reader();
    writeSync(write, 'late');
    output.finish();
    const chunks: Buffer[] = [];
    for await (const chunk of output.stream) chunks.push(chunk as Buffer);
    expect(String(Buffer.concat(chunks))).toBe('late');
  });

  test('a stream that was asked for before there was anything to read', async () => {
    const output = new OutputReader(new OutputBudget(1000, () => undefined));
    let text = '';
    output.stream.on('data', (chunk: Buffer) => (text += String(chunk)));
    output.connect(read);
    writeSync(write, 'typed');
    closeSync(write);
    write = -1;
    await vi.waitFor(() => expect(text).toBe('typed'), 10_000);
    output.finish();
    await once(output.stream, 'end');
  });
});
