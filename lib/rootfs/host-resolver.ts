import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Texts by name in `/etc`; none stands for what every sandbox has. */
export type HostResolver = Readonly<Partial<Record<'resolv.conf' | 'hosts', string>>>;

const MAX_BYTES = 2 ** 20;

/** Undefined where there is no such file, or none that every user may read. */
function readPublic(path: string): string | undefined {
  try {
    const about = statSync(path);
    if (!about.isFile() || (about.mode & 0o004) === 0 || about.size > MAX_BYTES) return undefined;
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * How the host finds names, for a sandbox on its network: copies, read at every start. A mount would show inside what is
 * written outside, and a link (`/run/systemd/resolve/…`) leads to what is not there.
 */
export function hostResolver(etc = '/etc'): HostResolver {
  const resolver: Partial<Record<keyof HostResolver, string>> = {};
  for (const name of ['resolv.conf', 'hosts'] as const) {
    const text = readPublic(join(etc, name));
    if (text !== undefined) resolver[name] = text;
  }
  return resolver;
}
