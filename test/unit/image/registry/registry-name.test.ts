import { expect, test } from 'vitest';
import { GivenCredentials } from '../../../../lib/image/registry/auth/credential-store.js';
import { registryKey } from '../../../../lib/image/registry/registry-name.js';

test.each([
  ['docker.io', 'docker.io'],
  ['index.docker.io', 'docker.io'],
  ['Registry-1.Docker.IO', 'docker.io'],
  ['Registry.Example:5000', 'registry.example:5000'],
  ['docker.io:443', 'docker.io:443'],
])('settings for %s are kept by %s', (registry, key) => {
  expect(registryKey(registry)).toBe(key);
});

test.each([
  ['index.docker.io', 'docker.io'],
  ['docker.io', 'docker.io'],
  ['Registry.Example', 'registry.example'],
  ['registry.example', 'Registry.Example'],
])('credentials that are given for %s are for %s', async (given, asked) => {
  const user = { username: 'u', password: 'p' };
  const source = new GivenCredentials({ [given]: user }, { find: async () => undefined });
  expect(await source.find(asked, undefined)).toBe(user);
  expect(await source.find('elsewhere.example', undefined)).toBeUndefined();
});
