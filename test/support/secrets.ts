import { expect } from 'vitest';
import { RegistryClient } from '../../lib/image/registry/client.js';
import type { RegistryOptions } from '../../lib/image/registry/options.js';
import { USER } from './registry.js';
import { IDENTITY_TOKEN } from './token-server.js';

/** What `Authorization: Basic` holds for the user of the tests. */
export const BASIC = Buffer.from(`${USER.username}:${USER.password}`).toString('base64');

/** The beginning of every JSON web token, too. */
const SECRETS = [USER.password, BASIC, IDENTITY_TOKEN, 'eyJ'];

/** Everything that a person could see of an error, at any depth. */
export function visible(error: unknown): string {
  const { message, stack, cause } = error as Error;
  return [message, stack, JSON.stringify(error), cause === undefined ? '' : visible(cause)].join('\n');
}

export function expectNoSecret(error: unknown): void {
  for (const secret of SECRETS) expect(visible(error)).not.toContain(secret);
}

/** A client that lives for some work, and knows of no files and proxies of this machine. */
export async function using<T>(options: RegistryOptions, work: (client: RegistryClient) => Promise<T>): Promise<T> {
  await using client = new RegistryClient({
    retryDelayMs: 1,
    attempts: 2,
    env: {},
    useCredentialFiles: false,
    ...options,
  });
  return await work(client);
}
