import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CloisterError } from '../../../../lib/errors.js';
import { parseContentRange } from '../../../../lib/image/registry/blob-download.js';
import { parseUploadRange } from '../../../../lib/image/registry/upload-session.js';
import { RegistryClient } from '../../../../lib/image/registry/client.js';
import { clean, parseProblems } from '../../../../lib/image/registry/failure.js';
import { Backoff, mayPass, parseRetryAfter, withRetries } from '../../../../lib/image/registry/http/retry.js';
import { parseNextLink } from '../../../../lib/image/registry/lists.js';
import { mirrorLocation, registryLocation } from '../../../../lib/image/registry/location.js';
import { referrersTag } from '../../../../lib/image/registry/referrers.js';
import { rejection } from '../../../support/rejection.js';

describe('headers', () => {
  test.each([
    ['bytes 0-9/10', { first: 0, last: 9, total: 10 }],
    ['bytes 5-9/*', { first: 5, last: 9, total: undefined }],
    ['bytes 9-5/10', undefined],
    ['bytes 0-10/10', undefined],
    ['bytes */10', undefined],
    ['0-9/10', undefined],
    ['bytes 0-9', undefined],
    ['bytes -1-9/10', undefined],
    ['bytes 0-99999999999999999999/*', undefined],
    [undefined, undefined],
  ])('Content-Range: %s', (value, range) => {
    expect(parseContentRange(value)).toEqual(range);
  });

  test.each([
    ['0-9', 10],
    ['bytes=0-9', 10],
    ['0-0', 0],
    ['1-9', undefined],
    ['x', undefined],
    [undefined, undefined],
  ])('Range of an upload: %s', (value, there) => {
    expect(parseUploadRange(value)).toBe(there);
  });

  test.each([
    [['</v2/_catalog?last=a&n=2>; rel="next"'], '/v2/_catalog?last=a&n=2'],
    [['</a>; rel=next'], '/a'],
    [['</a>; rel="prev", </b>; title="x"; rel="next"'], '/b'],
    [['</a>; rel="prev"', '</b>; rel="last next"'], '/b'],
    [['</a>; rel="nextish"'], undefined],
    [['</a>; title="rel=next"'], undefined],
    [['/a; rel="next"'], undefined],
    [[''], undefined],
    [[], undefined],
  ])('Link: %j', (headers, target) => {
    expect(parseNextLink(headers)).toBe(target);
  });

  const now = Date.parse('2026-01-01T00:00:00Z');
  test.each([
    ['0', 0],
    ['120', 120_000],
    ['Thu, 01 Jan 2026 00:01:00 GMT', 60_000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['-1', undefined],
    ['1.5', undefined],
    ['2026-01-02', undefined],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('Retry-After: %s', (value, ms) => {
    expect(parseRetryAfter(value, now)).toBe(ms);
  });
});

describe("what a registry writes, in people's logs", () => {
  test('is short, printable and without secrets', () => {
    expect(clean('a\u001b[31m\r\nb\u202ec', [])).toBe('a [31m b c');
    expect(clean('x'.repeat(1000), [])).toHaveLength(256);
    expect(clean('the secret, and the secret', ['secret'])).toBe('the ***, and the ***');
    expect(clean(12, [])).toBe('');
  });

  test.each([
    [
      '{"errors":[{"code":"DENIED","message":"no"},{"code":"X"}]}',
      [
        { code: 'DENIED', message: 'no' },
        { code: 'X', message: '' },
      ],
    ],
    ['{"errors":[null,1,{"message":"no code"}]}', []],
    ['{"errors":"x"}', []],
    ['null', []],
    ['<html>', []],
    [JSON.stringify({ errors: Array(100).fill({ code: 'A' }) }), Array(4).fill({ code: 'A', message: '' })],
  ])('%s', (body, problems) => {
    expect(parseProblems(body, [])).toEqual(problems);
  });
});

describe('another try', () => {
  const policy = { attempts: 4, baseDelayMs: 0, maxDelayMs: 0, maxRetryAfterMs: 1000 };
  const passing = (): CloisterError => mayPass(new CloisterError('ERR_REGISTRY', 'busy'));

  test('until it works', async () => {
    let tries = 0;
    const work = async (): Promise<number> => {
      if (++tries < 4) throw passing();
      return tries;
    };
    expect(await withRetries(policy, 'work', undefined, work)).toBe(4);
  });

  test.each<[string, () => Error, number]>([
    ['until it has failed often enough', passing, 4],
    ['not for what does not pass', () => new CloisterError('ERR_UNAUTHORIZED', 'no'), 1],
    ['not for a mistake', () => new TypeError('x'), 1],
    ['not when the pause is too long', () => mayPass(new CloisterError('ERR_REGISTRY', 'later'), 1001), 1],
  ])('%s', async (_, make, count) => {
    let tries = 0;
    const error = make();
    const work = withRetries(policy, 'work', undefined, async () => {
      tries++;
      throw error;
    });
    await expect(work).rejects.toBe(error);
    expect(tries).toBe(count);
  });

  test('never after an abort, also in the midst of waiting', async () => {
    const signal = AbortSignal.abort();
    expect((await rejection(withRetries(policy, 'work', signal, async () => 1))).code).toBe('ERR_ABORTED');
    const stop = new AbortController();
    const long = { ...policy, baseDelayMs: 1e6, maxDelayMs: 1e6 };
    const waiting = withRetries(long, 'work', stop.signal, async () => {
      setImmediate(() => stop.abort());
      throw passing();
    });
    expect((await rejection(waiting)).code).toBe('ERR_ABORTED');
  });

  test('counts anew after progress', async () => {
    const backoff = new Backoff(policy, 'work', undefined);
    for (let turn = 0; turn < 20; turn++) {
      await backoff.wait(passing());
      backoff.reset();
    }
  });
});

describe('places', () => {
  test.each([
    ['docker.io', 'registry-1.docker.io'],
    ['Registry.Example:5000', 'registry.example:5000'],
    ['registry.example:443', 'registry.example'],
    ['[::1]:5000', '[::1]:5000'],
  ])('%s answers at %s', (registry, authority) => {
    expect(registryLocation(registry).authority).toBe(authority);
  });

  test.each(['a:70000', '[:::::]', '300.1.1.1'])('%s answers nowhere', (registry) => {
    expect(() => registryLocation(registry)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_REFERENCE' }));
  });

  test.each([
    ['mirror.test', ['mirror.test', '', undefined]],
    ['https://mirror.test/', ['mirror.test', '', 'https']],
    ['http://mirror.test:5000', ['mirror.test:5000', '', 'http']],
    ['mirror.test:5000/docker/hub/', ['mirror.test:5000', 'docker/hub/', undefined]],
  ])('mirror %s', (mirror, expected) => {
    const { authority, prefix, scheme } = mirrorLocation('docker.io', mirror);
    expect([authority, prefix, scheme]).toEqual(expected);
  });

  test.each(['', 'ftp://x', 'a b', 'a?b', 'a/UPPER', 'a/../b?x', 'me@'])('%s is no mirror', (mirror) => {
    expect(() => mirrorLocation('docker.io', mirror)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }));
  });

  test('the tag of a list of referrers', () => {
    expect(referrersTag(`sha256:${'a'.repeat(64)}`)).toBe(`sha256-${'a'.repeat(64)}`);
    expect(referrersTag(`sha512:${'a'.repeat(128)}`)).toBe(`sha512-${'a'.repeat(64)}`);
  });
});

describe('options', () => {
  test.each<[string, object]>([
    ['auth', { auth: { 'https://a.test': { username: 'a', password: 'b' } } }],
    ['auth', { auth: { 'a.test': { username: 'a' } } }],
    ['insecure', { insecure: ['http://a.test'] }],
    ['insecure', { insecure: ['a.test/path'] }],
    ['tls', { tls: { 'a b': {} } }],
    ['mirrors', { mirrors: { 'docker.io': ['ftp://x'] } }],
    ['mirrors', { mirrors: { 'docker.io': ['http://mirror.test'] } }],
    ['attempts', { attempts: 0 }],
    ['connectTimeoutMs', { connectTimeoutMs: 1.5 }],
  ])('%s: %j', (name, options) => {
    const refusal = (): unknown => new RegistryClient(options);
    expect(refusal).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }));
    expect(refusal).toThrow(name);
  });
});

test('undici is loaded by the first request: a sandbox that needs no registry does not pay for it', () => {
  const files = readdirSync('lib', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const lines = files.flatMap((name) => readFileSync(`lib/${name}`, 'utf8').split('\n'));
  const imports = lines.filter((line) => /from 'undici'|import\('undici'\)/.test(line));
  expect(imports.length).toBeGreaterThan(0);
  for (const line of imports) expect(line).toMatch(/^import type |await import\('undici'\)/);
});
