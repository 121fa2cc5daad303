import { invalidOption } from '../../errors.js';
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

function checkHost(option: string, host: string): void {
  const url = URL.canParse(`http://${host}/`) ? new URL(`http://${host}/`) : undefined;
  // What is no plain host would end up in another part of the address.
  const isPlain = url?.pathname === '/' && url.username === '' && url.search === '' && !/[/?#@\s]/.test(host);
  if (!isPlain) throw invalidOption(option, "a registry such as 'registry.example:5000'", host);
}

function checkNumber(option: string, value: number | undefined, absent: number, least: number): number {
  if (value === undefined) return absent;
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw invalidOption(option, `an integer from ${least} on`, value);
}

/** @throws CloisterError `ERR_INVALID_OPTION` */
export function checkRegistryOptions(options: RegistryOptions): RegistrySettings {
  const auth = Object.entries(options.auth ?? {}).map(([host, each]) => {
    checkHost('auth', host);
    return [host, checkCredentials(`auth["${host}"]`, each)] as const;
  });
  for (const host of options.insecure ?? []) checkHost('insecure', host);
  for (const host of Object.keys(options.tls ?? {})) checkHost('tls', host);
  for (const host of Object.keys(options.mirrors ?? {})) checkHost('mirrors', host);
  const baseDelayMs = checkNumber('retryDelayMs', options.retryDelayMs, 250, 0);
  return {
    auth: Object.fromEntries(auth),
    useCredentialFiles: options.useCredentialFiles ?? true,
    insecure: options.insecure ?? [],
    mirrors: options.mirrors ?? {},
    retry: {
      attempts: checkNumber('attempts', options.attempts, 5, 1),
      baseDelayMs,
      maxDelayMs: baseDelayMs * 40,
      maxRetryAfterMs: checkNumber('maxRetryAfterMs', options.maxRetryAfterMs, 60_000, 0),
    },
    transport: {
      tls: options.tls ?? {},
      certificateDirectories: options.certificateDirectories ?? ['/etc/containers/certs.d', '/etc/docker/certs.d'],
      env: options.env ?? process.env,
      connectionsPerHost: checkNumber('connectionsPerHost', options.connectionsPerHost, 6, 1),
      connectMs: checkNumber('connectTimeoutMs', options.connectTimeoutMs, 10_000, 1),
      headersMs: checkNumber('responseTimeoutMs', options.responseTimeoutMs, 60_000, 1),
      storeMs: checkNumber('storeTimeoutMs', options.storeTimeoutMs, 300_000, 1),
      stallMs: checkNumber('stallTimeoutMs', options.stallTimeoutMs, 30_000, 4),
      stallBytes: checkNumber('stallBytes', options.stallBytes, 16_384, 1),
    },
  };
}
