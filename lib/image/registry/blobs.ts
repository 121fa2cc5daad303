import type { Digest } from '../../shared/digest.js';
import type { Descriptor } from '../descriptor.js';
import type { Endpoint } from './endpoint.js';
import { mismatch } from './failure.js';

/** HEAD. @throws CloisterError `ERR_DIGEST_MISMATCH` when the registry has it in another size. */
export async function hasBlob(
  endpoint: Endpoint,
  repository: string,
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const call = {
    what: `find blob ${digest}`,
    repository,
    method: 'HEAD',
    path: `blobs/${digest}`,
    access: [{ repository, actions: ['pull'] }],
    expect: [200, 404],
    signal,
  } as const;
  return endpoint.try(call, async (response) => {
    await response.discard();
    if (response.status === 404) return false;
    const { contentLength } = response;
    if (contentLength === undefined || contentLength === size) return true;
    throw mismatch(endpoint.describe(call), `expected ${size} bytes, the registry has ${contentLength}`, digest);
  });
}

export async function deleteBlob(
  endpoint: Endpoint,
  repository: string,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const call = {
    what: `delete blob ${digest}`,
    repository,
    method: 'DELETE',
    path: `blobs/${digest}`,
    access: [{ repository, actions: ['delete', 'pull'] }],
    expect: [202, 200, 204],
    signal,
  } as const;
  await endpoint.try(call, (response) => response.discard());
}
