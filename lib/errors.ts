/** What a caller can branch on. One line here is one line in `docs/errors.md`; a test keeps the two equal. */
export const ERROR_CODES = [
  'ERR_INVALID_OPTION',
  'ERR_UNSUPPORTED',
  'ERR_LIMIT_UNSUPPORTED',
  'ERR_PERMISSION',
  'ERR_KERNEL',
  'ERR_LAUNCHER',
  'ERR_ADDON_NOT_FOUND',
  'ERR_COMMAND_NOT_FOUND',
  'ERR_COMMAND_NOT_EXECUTABLE',
  'ERR_CWD_NOT_FOUND',
  'ERR_USER_NOT_FOUND',
  'ERR_COMMAND_FAILED',
  'ERR_STDIN',
  'ERR_SANDBOX_STATE',
  'ERR_NAME_IN_USE',
  'ERR_NOT_FOUND',
  'ERR_SECCOMP_PROFILE',
  'ERR_ABORTED',
  'ERR_INVALID_REFERENCE',
  'ERR_IMAGE_NOT_FOUND',
  'ERR_IMAGE_INVALID',
  'ERR_IMAGE_IN_USE',
  'ERR_PLATFORM_NOT_FOUND',
  'ERR_DIGEST_MISMATCH',
  'ERR_LAYER_INVALID',
  'ERR_REGISTRY',
  'ERR_REGISTRY_UNREACHABLE',
  'ERR_UNAUTHORIZED',
] as const;

/** See `docs/errors.md` for when each is thrown and what to do. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** Facts of an error beside its code and message; each is absent where it means nothing. */
export interface ErrorDetails {
  /** The kernel call that refused, as its manual page is named: `mount_setattr(2)`. */
  syscall?: string;
  /** The kernel's errno name: `EPERM`. */
  errno?: string;
  /** What the call or the option was about: a path, a user, an option's name. */
  subject?: string;
  /** What to do about it. */
  hint?: string;
  /** What this error was made of: another error, an abort's reason, a result. */
  cause?: unknown;
}

const BRAND: unique symbol = Symbol.for('cloister.error');

/**
 * The one error class of this library.
 *
 * @example
 * ```ts
 * try {
 *   await Sandbox.run(['no-such-program']);
 * } catch (error) {
 *   if (CloisterError.is(error) && error.code === 'ERR_COMMAND_NOT_FOUND') console.error(error.hint);
 * }
 * ```
 */
export class CloisterError extends Error {
  /** Stable: what to branch on. */
  readonly code: ErrorCode;
  /** The kernel call that refused: `mount_setattr(2)`. */
  readonly syscall?: string;
  /** Its errno's name: `EPERM`. */
  readonly errno?: string;
  /** The path, option, user, limit or name that it is about. */
  readonly subject?: string;
  /** What to do about it; the message ends with it, too. */
  readonly hint?: string;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    const { cause, ...facts } = details;
    super(
      facts.hint === undefined ? message : `${message}\n  hint: ${facts.hint}`,
      cause === undefined ? undefined : { cause },
    );
    this.name = 'CloisterError';
    this.code = code;
    Object.assign(this, facts);
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** True for errors of this library, also those thrown by another copy of the package. */
  static is(error: unknown): error is CloisterError {
    return typeof error === 'object' && error !== null && BRAND in error;
  }
}

/** Shows a rejected value so that a person recognizes it; long ones are cut. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return 'an object';
}

/** `limits.memory: expected a size …, got "lots"`. */
export function invalidOption(option: string, expected: string, got: unknown, hint?: string): CloisterError {
  return new CloisterError('ERR_INVALID_OPTION', `${option}: expected ${expected}, got ${show(got)}`, {
    subject: option,
    ...(hint === undefined ? {} : { hint }),
  });
}
