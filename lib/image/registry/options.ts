import { invalidOption } from '../../errors.js';
import { checkBoolean, checkInteger, checkList, checkObject, isPlainObject } from '../../shared/option-values.js';
import { checkHost } from './arguments.js';
import type { TlsOptions } from './http/certificates.js';
import { checkCredentials, type Credentials } from './auth/credentials.js';
import type { RetryPolicy } from './http/retry.js';
import type { TransportOptions } from './http/transport.js';

/** How registries are spoken to. Everything may be left out. */
export interface RegistryOptions {
  /**
   * By registry, in upper or lower case, Docker Hub by any of its names: `{ 'registry.example:5000': { username, password } }`.
   * Before all other sources.
   */
  readonly auth?: Readonly<Record<string, Credentials>>;
  /**
   * Whether to look for credentials in `DOCKER_AUTH_CONFIG`, `auth.json`, Docker's `config.json` and the helpers that these
   * name. Default: true.
   */
  readonly useCredentialFiles?: boolean;
  /** Registries, as `host:port`, that may be spoken to without TLS. This machine itself always may. */
  readonly insecure?: readonly string[];
  /** Authorities and client certificates by `host` or `host:port`, besides those in `certificateDirectories`. */
  readonly tls?: Readonly<Record<string, TlsOptions>>;
  /** Default: `/etc/containers/certs.d` and `/etc/docker/certs.d`. */
  readonly certificateDirectories?: readonly string[];
  /**
   * Other places for a registry's images, asked in this order before the registry itself:
   * `{ 'docker.io': ['mirror.example', 'registry.example/docker-hub'] }`.
   */
  readonly mirrors?: Readonly<Record<string, readonly string[]>>;
  /** Default: 6. */
  readonly connectionsPerHost?: number;
  /** How often something is tried that may pass by itself. Default: 5. */
  readonly attempts?: number;
  /** Of the first repetition; doubled each time up to 40 times as much, and varied. Default: 250. */
  readonly retryDelayMs?: number;
  /** A registry that asks for a longer pause (`Retry-After`) is given up. Default: 60,000. */
  readonly maxRetryAfterMs?: number;
  /** To connect, TLS included. Default: 10,000. */
  readonly connectTimeoutMs?: number;
  /** For an answer to begin. Default: 60,000. */
  readonly responseTimeoutMs?: number;
  /** For an answer to what was sent to begin: registries may take their time to store it. Default: 300,000. */
  readonly storeTimeoutMs?: number;
  /** Without enough data, while reading or sending. Default: 30,000. */
  readonly stallTimeoutMs?: number;
  /** What is enough, in bytes within `stallTimeoutMs`. Default: 16,384. */
  readonly stallBytes?: number;
  /** For proxies and for the files of credentials. Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Options with everything filled in. */
export interface RegistrySettings {
  readonly auth: Readonly<Record<string, Credentials>>;
  readonly useCredentialFiles: boolean;
  readonly insecure: readonly string[];
  readonly mirrors: Readonly<Record<string, readonly string[]>>;
  readonly retry: RetryPolicy;
  readonly transport: TransportOptions;
}

const KEYS = [
  'auth',
  'useCredentialFiles',
  'insecure',
  'tls',
  'certificateDirectories',
  'mirrors',
  'connectionsPerHost',
  'attempts',
  'retryDelayMs',
  'maxRetryAfterMs',
  'connectTimeoutMs',
  'responseTimeoutMs',
  'storeTimeoutMs',
  'stallTimeoutMs',
  'stallBytes',
  'env',
] as const;

/** What Node's timers count to: with one more they do not wait at all. */
const MAX_MS = 2 ** 31 - 1;
/** Of `retryDelayMs`. */
const LONGEST_DELAY = 40;

type Check<T> = (option: string, value: unknown) => T;

/** By registry. */
function checkByHost<T>(option: string, value: unknown, check: Check<T>): Readonly<Record<string, T>> {
  if (value === undefined) return {};
  if (!isPlainObject(value)) throw invalidOption(option, 'an object with a key for each registry', value);
  const entries = Object.entries(value).map(([host, each]) => {
    checkHost(option, host);
    return [host, check(`${option}["${host}"]`, each)] as const;
  });
  return Object.fromEntries(entries);
}

const checkWord: Check<string> = (option, value) => {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value;
  throw invalidOption(option, 'a text', value);
};

const checkPem: Check<string> = (option, value) => {
  if (typeof value === 'string' && value.includes('-----BEGIN ')) return value;
  // Not shown: it may be a key.
  throw invalidOption(option, 'PEM, as a text', typeof value === 'string' ? 'another text' : value);
};

const checkTls: Check<TlsOptions> = (option, value) => {
  const { ca, cert, key } = checkObject(option, value, ['ca', 'cert', 'key']);
  const checked = {
    ...(ca === undefined ? {} : { ca: checkList(`${option}.ca`, Array.isArray(ca) ? ca : [ca], checkPem) }),
    ...(cert === undefined ? {} : { cert: checkPem(`${option}.cert`, cert) }),
    ...(key === undefined ? {} : { key: checkPem(`${option}.key`, key) }),
  };
  if ((cert === undefined) === (key === undefined)) return checked;
  const missing = cert === undefined ? 'cert' : 'key';
  throw invalidOption(`${option}.${missing}`, 'PEM: a certificate is of no use without its key', undefined);
};

const checkEnv: Check<NodeJS.ProcessEnv> = (option, value) => {
  if (isPlainObject(value)) return value as NodeJS.ProcessEnv;
  throw invalidOption(option, 'an object of texts', value);
};

/**
 * @param prefix - of the options' names in messages: `'registries.'`, or nothing.
 * @throws CloisterError `ERR_INVALID_OPTION`
 */
export function checkRegistryOptions(prefix: string, options: unknown): RegistrySettings {
  const fields = checkObject(prefix.slice(0, -1), options, KEYS);
  const list = <T>(key: (typeof KEYS)[number], check: Check<T>): readonly T[] =>
    checkList(`${prefix}${key}`, fields[key], check);
  const number = (key: (typeof KEYS)[number], absent: number, least: number, most = MAX_MS): number =>
    checkInteger(`${prefix}${key}`, fields[key], [least, most], absent);
  const baseDelayMs = number('retryDelayMs', 250, 0, Math.floor(MAX_MS / LONGEST_DELAY));
  return {
    auth: checkByHost(`${prefix}auth`, fields['auth'], checkCredentials),
    useCredentialFiles: checkBoolean(`${prefix}useCredentialFiles`, fields['useCredentialFiles'], true),
    insecure: list('insecure', checkHost),
    mirrors: checkByHost(`${prefix}mirrors`, fields['mirrors'], (option, value) =>
      checkList(option, value ?? null, checkWord),
    ),
    retry: {
      attempts: number('attempts', 5, 1),
      baseDelayMs,
      maxDelayMs: baseDelayMs * LONGEST_DELAY,
      maxRetryAfterMs: number('maxRetryAfterMs', 60_000, 0),
    },
    transport: {
      tls: checkByHost(`${prefix}tls`, fields['tls'], checkTls),
      certificateDirectories:
        fields['certificateDirectories'] === undefined
          ? ['/etc/containers/certs.d', '/etc/docker/certs.d']
          : list('certificateDirectories', checkWord),
      env: fields['env'] === undefined ? process.env : checkEnv(`${prefix}env`, fields['env']),
      connectionsPerHost: number('connectionsPerHost', 6, 1),
      connectMs: number('connectTimeoutMs', 10_000, 1),
      headersMs: number('responseTimeoutMs', 60_000, 1),
      storeMs: number('storeTimeoutMs', 300_000, 1),
      stallMs: number('stallTimeoutMs', 30_000, 4),
      stallBytes: number('stallBytes', 16_384, 1, Number.MAX_SAFE_INTEGER),
    },
  };
}
