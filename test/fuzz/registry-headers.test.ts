import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CloisterError } from '../../lib/errors.js';
import { parseAuthFile, findAuth } from '../../lib/image/registry/auth/auth-file.js';
import { parseChallenges } from '../../lib/image/registry/auth/challenge.js';
import { coversScopes, uniteScopes } from '../../lib/image/registry/auth/scope.js';
import { clean } from '../../lib/image/registry/failure.js';
import { PlainHttp } from '../../lib/image/registry/http/plain-http.js';
import { nextAddress } from '../../lib/image/registry/http/redirect.js';
import { parseNextLink } from '../../lib/image/registry/lists.js';

const word = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,8}$/);
const value = fc.string({ unit: 'grapheme-ascii', maxLength: 20 });
const challenge = fc.record({
  scheme: word,
  parameters: fc.uniqueArray(fc.tuple(word, value), {
    minLength: 1,
    maxLength: 4,
    selector: ([name]) => name.toLowerCase(),
  }),
});

const quote = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;

test('challenges that are written as they should be are read as they were meant', () => {
  fc.assert(
    fc.property(fc.array(challenge, { minLength: 1, maxLength: 4 }), fc.boolean(), (all, isOneHeader) => {
      const texts = all.map(
        ({ scheme, parameters }) =>
          `${scheme} ${parameters.map(([name, text]) => `${name}=${quote(text)}`).join(', ')}`,
      );
      const found = parseChallenges(isOneHeader ? [texts.join(', ')] : texts);
      expect(found.map(({ scheme, parameters }) => [scheme, [...parameters]])).toEqual(
        all.map(({ scheme, parameters }) => [
          scheme.toLowerCase(),
          parameters.map(([name, text]) => [name.toLowerCase(), text]),
        ]),
      );
    }),
    { numRuns: 2000 },
  );
});

test('hostile headers are read as something, soon', () => {
  const noise = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 400 }),
    fc.stringMatching(/^[ ,="\\a-z]{0,200}$/),
    fc
      .tuple(fc.constantFrom('a ', 'a=', '"', '\\', ',', ' ', 'a="', '<', '>;'), fc.integer({ min: 1, max: 8000 }))
      .map(([text, count]) => text.repeat(count)),
  );
  fc.assert(
    fc.property(fc.array(noise, { maxLength: 3 }), (headers) => {
      const challenges = parseChallenges(headers);
      expect(challenges.length).toBeLessThanOrEqual(16);
      for (const { scheme, parameters } of challenges) {
        expect(scheme).toMatch(/^[!#$%&'*+.^_`|~0-9a-z-]+$/);
        for (const text of parameters.values()) expect(text).not.toMatch(/[\0\r\n]/);
      }
      expect(parseNextLink(headers)?.length ?? 0).toBeLessThanOrEqual(16_384);
    }),
    { numRuns: 3000 },
  );
});

test('scopes together are a set', () => {
  const scope = fc.oneof(
    fc
      .tuple(fc.constantFrom('a', 'a/b', 'host:5000/a'), fc.subarray(['pull', 'push', 'delete', '*'], { minLength: 1 }))
      .map(([name, actions]) => `repository:${name}:${actions.join(',')}`),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(scope, { maxLength: 6 }), fc.array(scope, { maxLength: 6 }), (some, others) => {
      const both = uniteScopes([...some, ...others]);
      expect(uniteScopes([...others, ...some])).toEqual(both);
      expect(uniteScopes(both)).toEqual(both);
      expect(coversScopes(both, some) && coversScopes(both, others)).toBe(true);
    }),
  );
});

test('wherever a registry leads, it is TLS or allowed', () => {
  const plain = new PlainHttp(['named.test:5000']);
  const target = fc.oneof(
    fc.webUrl({ validSchemes: ['http', 'https'], withQueryParameters: true }),
    fc.string(),
    fc.constantFrom(
      '//evil.test/x',
      '/\\evil.test',
      'http:/evil.test',
      'http://named.test:5000/',
      'javascript:1',
      '\thttps://a',
      'http://[::1]/',
      'http://0/',
    ),
  );
  fc.assert(
    fc.property(
      target,
      fc.constantFrom('https://a.test/v2/', 'http://127.0.0.1:5000/v2/', 'http://named.test:5000/v2/'),
      (location, from) => {
        try {
          const to = nextAddress('test', new URL(from), location, plain);
          if (to.protocol === 'https:') return;
          expect(to.protocol).toBe('http:');
          expect(from.startsWith('http:')).toBe(true);
          if (to.host !== 'named.test:5000')
            expect([new URL(from).hostname, to.hostname.replace(/^(127\..*|localhost|\[::1\])$/, 'loopback')]).toEqual([
              '127.0.0.1',
              'loopback',
            ]);
        } catch (error) {
          expect(CloisterError.is(error) && error.code).toBe('ERR_REGISTRY');
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test('a file of credentials is read or refused without being shown', () => {
  const secret = 'S3CRET-S3CRET';
  const document = fc.oneof(
    fc.json().map((text) => text.replaceAll('a', secret)),
    fc.jsonValue().map((any) =>
      JSON.stringify({
        auths: { 'a.test': { auth: Buffer.from(`me:${secret}`).toString('base64') }, b: any },
        credsStore: any,
      }),
    ),
    fc.string().map((text) => `{"auths":{"a":{"password":"${secret}"}}${text}`),
  );
  fc.assert(
    fc.property(document, (text) => {
      try {
        findAuth(parseAuthFile(text, 'config.json'), 'a.test', 'x');
      } catch (error) {
        expect(CloisterError.is(error) && error.code).toBe('ERR_INVALID_OPTION');
        expect((error as Error).message).not.toContain(secret);
      }
    }),
    { numRuns: 2000 },
  );
});

test('what is shown of an answer is printable, short and without secrets', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 600 }),
      fc.stringMatching(/^[a-zA-Z0-9]{8,16}$/),
      (text, secret) => {
        const shown = clean(`${text}${secret}${text}${secret}`, [secret]);
        expect(shown.length).toBeLessThanOrEqual(256);
        expect(shown).not.toContain(secret);
        expect(shown).not.toMatch(/\p{Cc}/u);
      },
    ),
    { numRuns: 2000 },
  );
});
