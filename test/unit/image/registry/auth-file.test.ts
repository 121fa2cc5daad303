import { describe, expect, test } from 'vitest';
import { findAuth, findHelper, parseAuthFile } from '../../../../lib/image/registry/auth/auth-file.js';
import { checkCredentials } from '../../../../lib/image/registry/auth/credentials.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const file = (content: object) => parseAuthFile(JSON.stringify(content), 'config.json');
const auths = (entries: Record<string, string>) =>
  file({
    auths: Object.fromEntries(Object.entries(entries).map(([key, user]) => [key, { auth: base64(`${user}:pw`) }])),
  });
const user = (entries: Record<string, string>, registry: string, repository?: string) => {
  const found = findAuth(auths(entries), registry, repository);
  return found !== undefined && 'username' in found ? found.username : undefined;
};

describe('whose credentials', () => {
  test.each<[Record<string, string>, string, string | undefined]>([
    [{ 'https://index.docker.io/v1/': 'hub' }, 'docker.io', 'hub'],
    [{ 'docker.io': 'hub' }, 'docker.io', 'hub'],
    [{ 'registry-1.docker.io': 'hub' }, 'docker.io', 'hub'],
    [{ 'index.docker.io': 'hub' }, 'docker.io', 'hub'],
    [{ 'quay.io': 'q' }, 'quay.io', 'q'],
    [{ 'https://quay.io/v1/': 'q' }, 'quay.io', 'q'],
    [{ 'http://quay.io': 'q' }, 'quay.io', 'q'],
    [{ 'quay.io/v2/': 'q' }, 'quay.io', 'q'],
    [{ 'https://quay.io/v1/': 'old', 'quay.io': 'new' }, 'quay.io', 'new'],
    [{ 'quay.io': 'new', 'https://quay.io/v1/': 'old' }, 'quay.io', 'new'],
    [{ 'Quay.IO': 'q' }, 'quay.io', 'q'],
    [{ 'quay.io:443': 'q' }, 'quay.io', undefined],
    [{ 'quay.io': 'q' }, 'evilquay.io', undefined],
    [{ 'quay.io': 'q' }, 'quay.io.evil.test', undefined],
    [{ localhost: 'l' }, 'localhost:5000', undefined],
  ])('of %j for %s', (entries, registry, expected) => {
    expect(user(entries, registry)).toBe(expected);
  });

  test('the entry that says most wins', () => {
    const entries = { 'quay.io': 'all', 'quay.io/team': 'team', 'quay.io/team/app': 'app' };
    expect(['team/app', 'team/other', 'teamster/app', undefined].map((each) => user(entries, 'quay.io', each))).toEqual(
      ['app', 'team', 'all', 'all'],
    );
  });

  test.each<[object, unknown]>([
    [{ auth: base64('me:with:colons') }, { username: 'me', password: 'with:colons' }],
    [{ auth: base64('me:pw\0\0') }, { username: 'me', password: 'pw' }],
    [
      { auth: base64(`me:${'pw'.repeat(60)}`).replace(/.{76}/g, '$&\n') },
      { username: 'me', password: 'pw'.repeat(60) },
    ],
    [{ auth: `${base64('me:pw')}\r\n` }, { username: 'me', password: 'pw' }],
    [
      { username: 'me', password: 'pw' },
      { username: 'me', password: 'pw' },
    ],
    [{ auth: base64('00:'), identitytoken: 'it' }, { identityToken: 'it' }],
    [{ registrytoken: 'rt' }, { registryToken: 'rt' }],
    [{}, undefined],
    [{ auth: '' }, undefined],
  ])('%j', (entry, expected) => {
    expect(findAuth(file({ auths: { 'a.test': entry } }), 'a.test', undefined)).toEqual(expected);
  });
});

describe('which helper', () => {
  test.each([
    [{ credsStore: 'desktop' }, 'a.test', { name: 'desktop', server: 'a.test' }],
    [{ credsStore: 'desktop' }, 'docker.io', { name: 'desktop', server: 'https://index.docker.io/v1/' }],
    [
      { credsStore: 'desktop', credHelpers: { 'a.test': 'ecr-login' } },
      'a.test',
      { name: 'ecr-login', server: 'a.test' },
    ],
    [{ credHelpers: { 'a.test': 'ecr-login' } }, 'b.test', undefined],
    [{ credsStore: '' }, 'a.test', undefined],
    [{ credsStore: null, credHelpers: null }, 'a.test', undefined],
    [{ credsStore: 'desktop', credHelpers: { 'a.test': '' } }, 'a.test', undefined],
    [{ credsStore: 'desktop', credHelpers: { 'a.test': '' } }, 'b.test', { name: 'desktop', server: 'b.test' }],
  ])('of %j for %s', (content, registry, helper) => {
    expect(findHelper(file(content), registry)).toEqual(helper);
  });
});

describe('files that are refused, and not shown', () => {
  test.each<[string, string]>([
    ['no JSON', '{"auths": "secret'],
    ['a list', '["secret"]'],
    ['auths that are a text', '{"auths":"secret"}'],
    ['a helper that is a path', '{"credsStore":"../secret"}'],
    ['a helper with blanks', '{"credHelpers":{"a":"sh -c"}}'],
  ])('%s', (_, text) => {
    const refusal = (): unknown => parseAuthFile(text, 'config.json');
    expect(refusal).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }));
    if (!text.includes('credsStore')) expect(refusal).not.toThrow('secret');
  });
});

describe('entries that cannot be read', () => {
  test.each<[string, unknown]>([
    ['a text', 'secret'],
    ['no base64', { auth: 'secret!' }],
    ['no user', { auth: base64(':secret') }],
  ])('%s: refused, and not shown, when they are asked for', (_, entry) => {
    const read = file({ auths: { 'a.test': entry, 'b.test/team': entry, 'b.test': { auth: base64('me:pw') } } });
    for (const [registry, repository] of [['a.test'], ['b.test', 'team/app']] as const) {
      const refusal = (): unknown => findAuth(read, registry, repository);
      expect(refusal).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }));
      expect(refusal).toThrow(`config.json: auths["${registry}`);
      expect(refusal).not.toThrow('secret');
    }
    expect(findAuth(read, 'b.test', 'other')).toEqual({ username: 'me', password: 'pw' });
    expect(findAuth(read, 'c.test', undefined)).toBeUndefined();
  });

  test('give way to one of the same registry under another name', () => {
    const read = file({ auths: { 'https://quay.io/v1/': { auth: '!' }, 'quay.io': { auth: base64('me:pw') } } });
    expect(findAuth(read, 'quay.io', undefined)).toEqual({ username: 'me', password: 'pw' });
  });
});

test.each([
  [undefined],
  [null],
  ['me:pw'],
  [{}],
  [{ username: 'me' }],
  [{ username: 'm:e', password: 'pw' }],
  [{ username: 'me', password: 'p\nw' }],
  [{ identityToken: 'a b' }],
  [{ registryToken: 'a\r\nb' }],
])('%j are no credentials, and are not shown', (value) => {
  const refusal = (): unknown => checkCredentials('auth', value);
  expect(refusal).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }));
  expect(refusal).not.toThrow('pw');
});
