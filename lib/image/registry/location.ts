import { CloisterError, invalidOption } from '../../errors.js';
import { DEFAULT_REGISTRY } from '../reference.js';

/** Where a registry's interface is found. */
export interface RegistryLocation {
  /** As references and credentials name it. */
  readonly registry: string;
  /** `host[:port]` to connect to. */
  readonly authority: string;
  /** Put before the names of repositories, with a slash at its end; empty for the registry itself. */
  readonly prefix: string;
  /** Undefined: to be found out where both are allowed. */
  readonly scheme: 'http' | 'https' | undefined;
}

/** Docker Hub's name is not where its registry answers. */
const DOCKER_HUB_AUTHORITY = 'registry-1.docker.io';

/** @throws CloisterError `ERR_INVALID_REFERENCE` for a host that no address can be made of. */
export function registryLocation(registry: string): RegistryLocation {
  if (registry === DEFAULT_REGISTRY)
    return { registry, authority: DOCKER_HUB_AUTHORITY, prefix: '', scheme: undefined };
  if (!URL.canParse(`https://${registry}/`)) {
    throw new CloisterError('ERR_INVALID_REFERENCE', `registry "${registry}": no address can be made of it`, {
      subject: registry,
      hint: 'ports go from 1 to 65535, IPv6 addresses are in brackets',
    });
  }
  return { registry, authority: new URL(`https://${registry}/`).host, prefix: '', scheme: undefined };
}

/** `mirror.example`, `https://mirror.example`, `mirror.example:5000/prefix`. @throws CloisterError `ERR_INVALID_OPTION` */
export function mirrorLocation(registry: string, mirror: string): RegistryLocation {
  const refuse = (): CloisterError =>
    invalidOption(`mirrors["${registry}"]`, "a place such as 'mirror.example:5000' or 'mirror.example/prefix'", mirror);
  const [, scheme, rest = ''] = /^(?:(https?):\/\/)?([^?#@\s]+)$/.exec(mirror) ?? [];
  if (rest === '' || rest.includes('//') || !URL.canParse(`https://${rest}`)) throw refuse();
  const url = new URL(`https://${rest}`);
  const prefix = url.pathname.replace(/^\/+|\/+$/g, '');
  if (!/^(?:[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/|$))*$/.test(prefix)) throw refuse();
  return {
    registry: url.host,
    authority: url.host,
    prefix: prefix === '' ? '' : `${prefix}/`,
    scheme: scheme as 'http' | 'https' | undefined,
  };
}
