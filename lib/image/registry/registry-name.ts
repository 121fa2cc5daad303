import { DEFAULT_REGISTRY } from '../reference.js';

/** What people and tools call Docker Hub. */
const DOCKER_HUB = [DEFAULT_REGISTRY, 'index.docker.io', 'registry-1.docker.io'];

/**
 * The one name by which settings for a registry are kept: upper and lower case mean the same host, RFC 4343, and Docker Hub has
 * several names.
 *
 * @param registry - `host`, `host:port`
 */
export function registryKey(registry: string): string {
  const name = registry.toLowerCase();
  return DOCKER_HUB.includes(name) ? DEFAULT_REGISTRY : name;
}
