import { BlockList, isIP } from 'node:net';
import { CloisterError } from '../../../errors.js';
import { isLoopback } from './plain-http.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** The lower-case name wins, as with curl(1). */
function lookUp(env: Environment, name: string): [name: string, value: string] | undefined {
  const lower = env[name.toLowerCase()];
  if (lower !== undefined && lower !== '') return [name.toLowerCase(), lower];
  // A CGI program gets the client's `Proxy:` header in HTTP_PROXY (CVE-2016-5385).
  if (name === 'HTTP_PROXY' && env['REQUEST_METHOD'] !== undefined) return undefined;
  const upper = env[name];
  return upper === undefined || upper === '' ? undefined : [name, upper];
}

function isInSubnet(address: string, subnet: string): boolean {
  const [, network = '', bits] = /^(.+)\/(\d{1,3})$/.exec(subnet) ?? [];
  const family = isIP(network);
  const length = Number(bits);
  if (family === 0 || family !== isIP(address) || length > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(network, length, family === 4 ? 'ipv4' : 'ipv6');
  return list.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

/** One entry of NO_PROXY: `*`, `host`, `.domain`, `*.domain`, `host:port`, an address or a subnet. */
function isExempt(url: URL, entry: string): boolean {
  if (entry === '*') return true;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (entry.includes('/')) return isInSubnet(host, entry);
  const [, name = entry, port] = /^(.*?[^:])(?::(\d+))?$/.exec(isIP(entry) === 6 ? `[${entry}]` : entry) ?? [];
  const actual = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  if (port !== undefined && port !== actual) return false;
  const bare = name.replace(/^\[|\]$/g, '').replace(/^\*?\./, '');
  return host === bare || (isIP(host) === 0 && host.endsWith(`.${bare}`));
}

function parseProxy(name: string, value: string): URL {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  // The value is not shown: it may hold a password.
  throw new CloisterError('ERR_INVALID_OPTION', `environment variable ${name}: expected the address of an HTTP proxy`, {
    subject: name,
    hint: 'write http://host:port; other kinds of proxies are not supported',
  });
}

/**
 * The proxy for an address, by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY. What is on this machine never goes through one.
 *
 * @throws CloisterError `ERR_INVALID_OPTION`
 */
export function proxyFor(url: URL, env: Environment): URL | undefined {
  if (isLoopback(url.hostname)) return undefined;
  const exempt =
    lookUp(env, 'NO_PROXY')?.[1]
      .toLowerCase()
      .split(/[\s,]+/) ?? [];
  if (exempt.some((entry) => entry !== '' && isExempt(url, entry))) return undefined;
  const found = lookUp(env, url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY') ?? lookUp(env, 'ALL_PROXY');
  return found === undefined ? undefined : parseProxy(...found);
}
