import { isIPv4 } from 'node:net';

/** @param hostname - as `URL.hostname` gives it: lower case, IPv6 in brackets, IPv4 in four decimal parts. */
export function isLoopback(hostname: string): boolean {
  if (hostname === 'localhost' || hostname === '[::1]') return true;
  return isIPv4(hostname) && hostname.startsWith('127.');
}

/** Where requests may go without TLS: this machine itself, and hosts that the user named. */
export class PlainHttp {
  readonly #hosts: ReadonlySet<string>;

  constructor(hosts: readonly string[]) {
    this.#hosts = new Set(hosts.map((host) => host.toLowerCase()));
  }

  /** @param authority - `host`, `host:port` */
  allows(authority: string): boolean {
    const { host, hostname } = new URL(`http://${authority}`);
    return isLoopback(hostname) || this.#isNamed(host);
  }

  /**
   * Whether a registry may send us on from one address to another: never from TLS to plain HTTP, and to plain HTTP on this
   * machine only from this machine, or a registry elsewhere could reach what listens here.
   */
  allowsStep(from: URL, to: URL): boolean {
    if (to.protocol === 'https:') return true;
    if (to.protocol !== 'http:' || from.protocol !== 'http:') return false;
    return this.#isNamed(to.host) || (isLoopback(to.hostname) && isLoopback(from.hostname));
  }

  #isNamed(host: string): boolean {
    return this.#hosts.has(host) || this.#hosts.has(`${host}:80`);
  }
}
