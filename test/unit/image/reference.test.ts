import { describe, expect, test } from 'vitest';
import { CloisterError } from '../../../lib/errors.js';
import { parseReference, versionOf, withDigest, withTag } from '../../../lib/image/reference.js';

const SHA256 = `sha256:${'0123456789abcdef'.repeat(4)}` as const;
const SHA512 = `sha512:${'0123456789abcdef'.repeat(8)}` as const;

describe('what Docker reads', () => {
  test.each([
    ['debian', 'docker.io/library/debian:latest', 'debian:latest'],
    ['debian:12', 'docker.io/library/debian:12', 'debian:12'],
    ['library/debian:12', 'docker.io/library/debian:12', 'debian:12'],
    ['docker.io/debian:12', 'docker.io/library/debian:12', 'debian:12'],
    ['index.docker.io/debian', 'docker.io/library/debian:latest', 'debian:latest'],
    ['index.docker.io/library/debian', 'docker.io/library/debian:latest', 'debian:latest'],
    ['docker.io/me/app', 'docker.io/me/app:latest', 'me/app:latest'],
    ['library/a/b', 'docker.io/library/a/b:latest', 'library/a/b:latest'],
    ['me/app', 'docker.io/me/app:latest', 'me/app:latest'],
    ['a/b/c:1.0_x-Y', 'docker.io/a/b/c:1.0_x-Y', 'a/b/c:1.0_x-Y'],
    ['localhost/app', 'localhost/app:latest', 'localhost/app:latest'],
    ['localhost:5000/app:1', 'localhost:5000/app:1', 'localhost:5000/app:1'],
    ['localhost:5000', 'docker.io/library/localhost:5000', 'localhost:5000'],
    ['registry.example/team/app', 'registry.example/team/app:latest', 'registry.example/team/app:latest'],
    ['host:5000/a-b/c__d/e---f/g.h:T', 'host:5000/a-b/c__d/e---f/g.h:T', 'host:5000/a-b/c__d/e---f/g.h:T'],
    ['127.0.0.1:5000/app', '127.0.0.1:5000/app:latest', '127.0.0.1:5000/app:latest'],
    ['[::1]:5000/app:2', '[::1]:5000/app:2', '[::1]:5000/app:2'],
    ['[2001:db8::1]/app', '[2001:db8::1]/app:latest', '[2001:db8::1]/app:latest'],
    ['Uppercase/app', 'Uppercase/app:latest', 'Uppercase/app:latest'],
    ['EXAMPLE.com:5000/app', 'EXAMPLE.com:5000/app:latest', 'EXAMPLE.com:5000/app:latest'],
    [`debian@${SHA256}`, `docker.io/library/debian@${SHA256}`, `debian@${SHA256}`],
    [`debian:12@${SHA512}`, `docker.io/library/debian:12@${SHA512}`, `debian:12@${SHA512}`],
    [`host:1/a:12@${SHA256}`, `host:1/a:12@${SHA256}`, `host:1/a:12@${SHA256}`],
    [`a:${'t'.repeat(128)}`, `docker.io/library/a:${'t'.repeat(128)}`, `a:${'t'.repeat(128)}`],
    [`x.y/${'a'.repeat(255)}`, `x.y/${'a'.repeat(255)}:latest`, `x.y/${'a'.repeat(255)}:latest`],
    ['xn--7o8h.example/app', 'xn--7o8h.example/app:latest', 'xn--7o8h.example/app:latest'],
  ])('%s', (text, full, familiar) => {
    const reference = parseReference(text);
    expect([reference.toString(), reference.familiar]).toEqual([full, familiar]);
    expect(parseReference(full)).toEqual(reference);
  });
});

describe('what Docker refuses', () => {
  test.each([
    ['', 'it is empty'],
    [':tag', 'the repository is missing'],
    ['docker.io/', 'the repository is missing'],
    ['localhost:5000/', 'the repository is missing'],
    ['/app', 'a part between two slashes is empty'],
    ['a//b', 'a part between two slashes is empty'],
    ['a/', 'a part between two slashes is empty'],
    ['Debian', 'has upper-case letters'],
    ['me/App', 'has upper-case letters'],
    ['https://docker.io/debian', 'a reference has no scheme'],
    ['0123456789abcdef'.repeat(4), 'it is a bare id'],
    ['a..b/c/d', '"a..b" is no host name'],
    ['me/a..b', '"a..b" is no valid part'],
    ['me/a___b', '"a___b" is no valid part'],
    ['me/-a', '"-a" is no valid part'],
    ['me/a-', '"a-" is no valid part'],
    ['me/_a', '"_a" is no valid part'],
    ['me/a b', '"a b" is no valid part'],
    ['me/ä', '"ä" is no valid part'],
    ['me/a\n', '"a\n" is no valid part'],
    ['-host.example/a', '"-host.example" is no host name'],
    ['host-.example/a', 'is no host name'],
    ['host.:5000/a', 'is no host name'],
    ['host:port/a', 'is no host name'],
    ['user@host:1/a', 'is no digest'],
    ['::1/a', 'is no host name'],
    ['[fe80::1%25eth0]:5000/a', 'is no host name'],
    ['[::1/a', 'is no host name'],
    ['a:', "the tag after ':' is empty"],
    ['a:-b', '"-b" is no valid tag'],
    ['a:.b', '".b" is no valid tag'],
    ['a/b:c/d', '"c/d" is no valid tag'],
    ['a:b:c', '"b:c" is no valid tag'],
    [`a:${'t'.repeat(129)}`, 'the tag has 129 characters'],
    [`x.y/${'a'.repeat(256)}`, 'the repository has 256 characters'],
    ['a@', 'is no digest'],
    ['a@sha256:12', 'is no digest'],
    [`a@${SHA256.toUpperCase()}`, 'is no digest'],
    [`a@${SHA256}0`, 'is no digest'],
    [`a@md5:${'0'.repeat(32)}`, 'is no digest'],
    [`a@${SHA256}@${SHA256}`, 'is no digest'],
    ['a'.repeat(5000), 'more than any reference'],
  ])('%j', (text, problem) => {
    const refusal = (): unknown => parseReference(text);
    expect(refusal).toThrow(problem);
    expect(refusal).toThrow(expect.objectContaining({ code: 'ERR_INVALID_REFERENCE' }));
  });

  test.each([undefined, null, 12, {}])('%j, which is no text', (value) => {
    expect(() => parseReference(value as never)).toThrow(CloisterError);
  });
});

test('a reference is frozen and its own JSON', () => {
  const reference = parseReference('debian:12');
  expect(Object.isFrozen(reference)).toBe(true);
  expect(JSON.stringify({ reference })).toBe('{"reference":"docker.io/library/debian:12"}');
});

test('other versions of a name', () => {
  const reference = parseReference(`host:1/app:1@${SHA256}`);
  expect(withTag(reference, '2').toString()).toBe('host:1/app:2');
  expect(withDigest(reference, SHA512).toString()).toBe(`host:1/app@${SHA512}`);
  expect([versionOf(reference), versionOf(withTag(reference, '2'))]).toEqual([SHA256, '2']);
  expect(() => withTag(reference, 'a b')).toThrow('"a b" is no valid tag');
});
