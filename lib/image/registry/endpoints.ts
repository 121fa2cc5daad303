import type { Repository } from '../reference.js';
import type { Distrust } from './distrust.js';
import { Endpoint, type RegistryServices } from './endpoint.js';
import { mirrorLocation, registryLocation } from './location.js';
import { MirroredRegistry } from './mirrors.js';
import { registryKey } from './registry-name.js';

/** A mirror that does not answer must not hold up the registry for long. */
const MIRROR_ATTEMPTS = 2;

/** The places that a client speaks to: registries, as they come up, and the mirrors that stand before some of them. */
export class Endpoints {
  readonly #services: RegistryServices;
  readonly #distrust: Distrust;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #mirrored = new Map<string, MirroredRegistry>();

  constructor(services: RegistryServices, mirrors: Readonly<Record<string, readonly string[]>>, distrust: Distrust) {
    this.#services = services;
    this.#distrust = distrust;
    const attempts = Math.min(MIRROR_ATTEMPTS, services.retry.attempts);
    const forMirrors = { ...services, retry: { ...services.retry, attempts } };
    for (const [registry, names] of Object.entries(mirrors)) {
      const endpoints = names.map((mirror) => new Endpoint(mirrorLocation(registry, mirror), forMirrors));
      const key = registryKey(registry);
      this.#mirrored.set(key, new MirroredRegistry(endpoints, this.of(key), distrust));
    }
  }

  /** The registry itself. */
  of(registry: string): Endpoint {
    const known = this.#endpoints.get(registry);
    if (known !== undefined) return known;
    const endpoint = new Endpoint(registryLocation(registry), this.#services);
    this.#endpoints.set(registry, endpoint);
    return endpoint;
  }

  /** Its mirrors, and then itself. */
  mirrored({ registry }: Pick<Repository, 'registry'>): MirroredRegistry {
    return this.#mirrored.get(registryKey(registry)) ?? new MirroredRegistry([], this.of(registry), this.#distrust);
  }
}
