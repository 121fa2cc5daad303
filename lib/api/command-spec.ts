import { CloisterError, invalidOption } from '../errors.js';
import type { CommandSpec, SandboxSpec, StdinSpec } from '../runtime/spec.js';
import {
  checkBoolean,
  checkChoice,
  checkDuration,
  checkInteger,
  checkObject,
  checkSignal,
  checkText,
} from './check.js';
import { checkProcess, PROCESS_KEYS } from './process-spec.js';
import { SANDBOX_KEYS } from './sandbox-spec.js';

export const EXEC_KEYS = [
  ...PROCESS_KEYS,
  'stdin',
  'timeout',
  'cpuTime',
  'encoding',
  'tty',
  'capture',
  'keepDescendants',
  'reject',
  'signal',
] as const;

/** ARG_MAX of one text, execve(2): 32 pages. */
const MAX_ARGUMENT_BYTES = 131_072;

function checkArgv(value: unknown, isImage: boolean): readonly string[] {
  if (isImage && (value === undefined || (Array.isArray(value) && value.length === 0))) return [];
  if (!Array.isArray(value) || value.length === 0) {
    throw invalidOption(
      'command',
      "a non-empty array of texts such as ['ls', '-l']",
      value,
      "for a shell command line use ['sh', '-c', line]",
    );
  }
  return value.map((argument: unknown, index) => {
    const text = checkText(`command[${index}]`, argument, '');
    if (typeof argument !== 'string') throw invalidOption(`command[${index}]`, 'a text', argument);
    if (Buffer.byteLength(text) >= MAX_ARGUMENT_BYTES)
      throw invalidOption(`command[${index}]`, 'fewer than 128 KiB', text);
    if (index === 0 && text === '') throw invalidOption('command[0]', "a program's name or path", text);
    return text;
  });
}

function isReadable(value: unknown): value is NodeJS.ReadableStream {
  return typeof value === 'object' && value !== null && typeof (value as { pipe?: unknown }).pipe === 'function';
}

function checkStdin(value: unknown): StdinSpec {
  if (value === undefined || value === 'none') return { kind: 'none' };
  if (value === 'pipe') return { kind: 'pipe' };
  if (value instanceof Uint8Array) return { kind: 'bytes', bytes: value };
  if (isReadable(value)) return { kind: 'stream', stream: value };
  if (typeof value === 'string') return { kind: 'bytes', bytes: Buffer.from(value) };
  throw invalidOption('stdin', "a text, 'pipe', 'none', bytes or a readable stream", value);
}

/** What the kernel keeps of a terminal's size, ioctl_tty(2). */
const TERMINAL_SIDE: readonly [number, number] = [1, 65_535];

function checkTty(value: unknown): CommandSpec['tty'] {
  if (value === undefined || value === false) return undefined;
  const size = value === true ? {} : checkObject('tty', value, ['columns', 'rows']);
  return {
    columns: checkInteger('tty.columns', size['columns' as never], TERMINAL_SIDE, 80),
    rows: checkInteger('tty.rows', size['rows' as never], TERMINAL_SIDE, 24),
  };
}

/** A new size for a terminal: both sides are to be given. */
export function checkTerminalSize(value: unknown): { readonly columns: number; readonly rows: number } {
  const size = checkObject('size', value, ['columns', 'rows']);
  const side = (name: string): number => {
    const cells = checkInteger(`size.${name}`, size[name], TERMINAL_SIDE, undefined);
    if (cells !== undefined) return cells;
    throw invalidOption(`size.${name}`, `a whole number from ${TERMINAL_SIDE.join(' to ')}`, cells);
  };
  return { columns: side('columns'), rows: side('rows') };
}

/**
 * A command's options over those of its sandbox.
 *
 * @param defaultTimeoutMs - for a command without a terminal.
 */
export function checkCommand(
  argv: unknown,
  options: unknown,
  sandbox: SandboxSpec,
  defaultTimeoutMs: number,
): CommandSpec {
  const fields = checkObject('', options ?? {}, EXEC_KEYS);
  const cpuTimeMs = checkDuration('cpuTime', fields['cpuTime'], sandbox.command.cpuTimeMs);
  const signal = checkSignal('signal', fields['signal']);
  const tty = checkTty(fields['tty']);
  const timeoutMs = checkDuration('timeout', fields['timeout'], tty === undefined ? defaultTimeoutMs : Infinity);
  const spec = {
    ...checkProcess(fields, { cpuTimeMs, files: undefined, ids: sandbox.ids }, sandbox.command),
    argv: checkArgv(argv, sandbox.image.kind === 'image'),
    timeoutMs: timeoutMs === 0 ? 1 : timeoutMs,
    stdin: checkStdin(fields['stdin']),
    tty,
    encoding: checkChoice('encoding', fields['encoding'], ['utf8', 'buffer'], 'utf8'),
    capture: checkBoolean('capture', fields['capture'], true),
    keepDescendants: checkBoolean('keepDescendants', fields['keepDescendants'], false),
    reject: checkBoolean('reject', fields['reject'], false),
    signal,
  };
  throwIfAborted(signal);
  return Object.freeze(spec);
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new CloisterError('ERR_ABORTED', 'the AbortSignal was aborted before the start', { cause: signal.reason });
}

type Fields = Record<string, unknown>;

/** The options of `Sandbox.run` as those of a sandbox and those of its one command. */
export function splitRunOptions(options: unknown): { sandbox: Fields; exec: Fields; host: unknown } {
  const sandbox: Fields = {};
  const exec: Fields = {};
  const { host, ...fields } = checkObject('', options, ['host', ...SANDBOX_KEYS, ...EXEC_KEYS]);
  for (const [key, value] of Object.entries(fields)) {
    const isOfSandbox = key !== 'signal' && SANDBOX_KEYS.some((known) => known === key);
    (isOfSandbox ? sandbox : exec)[key] = value;
  }
  return { sandbox, exec, host };
}
