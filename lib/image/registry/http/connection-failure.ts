import { CloisterError } from '../../../errors.js';
import { mayPass } from './retry.js';

/** What went wrong on the way to a host, and whether it may pass. By the codes of Node, OpenSSL and undici. */
interface Problem {
  readonly text: string;
  readonly isPassing: boolean;
  readonly hint?: string;
}

const RESET: Problem = { text: 'broke the connection', isPassing: true };
const SILENT: Problem = { text: 'does not answer in time', isPassing: true };
const UNROUTABLE: Problem = { text: 'cannot be reached', isPassing: true };

const PROBLEMS: Readonly<Record<string, Problem>> = {
  ECONNREFUSED: {
    text: 'refuses connections',
    isPassing: true,
    hint: 'is the registry running, and is the port right?',
  },
  ENOTFOUND: { text: 'is a host that nobody knows', isPassing: false },
  EAI_AGAIN: { text: 'cannot be looked up', isPassing: true },
  EHOSTUNREACH: UNROUTABLE,
  ENETUNREACH: UNROUTABLE,
  ECONNRESET: RESET,
  EPIPE: RESET,
  UND_ERR_SOCKET: RESET,
  UND_ERR_CLOSED: RESET,
  UND_ERR_DESTROYED: RESET,
  ETIMEDOUT: SILENT,
  UND_ERR_CONNECT_TIMEOUT: SILENT,
  UND_ERR_HEADERS_TIMEOUT: SILENT,
  UND_ERR_BODY_TIMEOUT: SILENT,
  CLOISTER_STALLED: SILENT,
  UND_ERR_HEADERS_OVERFLOW: { text: 'sent headers without end', isPassing: false },
  UND_ERR_RES_EXCEEDED_MAX_SIZE: { text: 'sent more than was allowed', isPassing: false },
};

const NOT_TLS: Problem = {
  text: 'does not speak TLS',
  isPassing: false,
  hint: "to speak plain HTTP to it, name it in the option 'insecure'",
};

/** A peer that waits, cut off by us. */
export class Stalled extends Error {
  readonly code = 'CLOISTER_STALLED';
}

/** With several addresses of one host, Node reports all failures in one. */
export function errorCode(error: unknown): string {
  const { code, errors, name } = error as { code?: unknown; errors?: unknown; name?: unknown };
  if (typeof code === 'string') return code;
  // Some of undici's have a name only.
  if (name === 'HTTPParserError') return 'HPE_INVALID';
  return Array.isArray(errors) && errors.length > 0 ? errorCode(errors[0]) : '';
}

/**
 * Whether that is how it ends when one greets a server of plain HTTP with TLS. What comes after the greeting has other codes;
 * an alert is a word of TLS.
 */
export function isNoTls(code: string): boolean {
  if (code.startsWith('ERR_SSL_')) return !code.includes('_ALERT_');
  return ['EPROTO', 'ECONNRESET', 'EPIPE', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_ABORTED'].includes(code);
}

function isCertificateProblem(code: string): boolean {
  return /^(?:CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH)/.test(code);
}

function explain(code: string, host: string): Problem {
  const known = Object.hasOwn(PROBLEMS, code) ? PROBLEMS[code] : undefined;
  if (known !== undefined) return known;
  if (isCertificateProblem(code)) {
    const hint = `if its authority is one of your own, put its certificate into /etc/docker/certs.d/${host}/ca.crt or pass the option 'tls'`;
    return { text: `has a certificate that is not trusted (${code})`, isPassing: false, hint };
  }
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') return NOT_TLS;
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO')
    return {
      text: `refuses the TLS connection (${code})`,
      isPassing: false,
      hint: 'does it want a client certificate?',
    };
  if (code.startsWith('HPE_')) return { text: `answers with what is no HTTP (${code})`, isPassing: true };
  return { text: `failed${code === '' ? '' : ` (${code})`}`, isPassing: true };
}

/** What a parser could not read is kept in its error: it may be an echo of what we sent, which is secret. */
function withoutData(cause: unknown): unknown {
  return cause instanceof Error && 'data' in cause ? new Error(cause.message) : cause;
}

/** @param via - the proxy between, without its password. */
export function unreachable(what: string, host: string, via: string | undefined, cause: unknown): CloisterError {
  const { text, isPassing, hint } = explain(errorCode(cause), host);
  const way = via === undefined ? '' : `, through the proxy ${via},`;
  const error = new CloisterError('ERR_REGISTRY_UNREACHABLE', `${what}: ${host}${way} ${text}`, {
    subject: host,
    cause: withoutData(cause),
    ...(hint === undefined ? {} : { hint }),
  });
  return isPassing ? mayPass(error) : error;
}
