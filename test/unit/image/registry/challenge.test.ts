import { describe, expect, test } from 'vitest';
import { parseChallenges } from '../../../../lib/image/registry/auth/challenge.js';
import { coversScopes, formatScope, uniteScopes } from '../../../../lib/image/registry/auth/scope.js';

const read = (...headers: string[]) =>
  parseChallenges(headers).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

describe('challenges', () => {
  test.each<[string[], unknown[]]>([
    [[], []],
    [[''], []],
    [['Basic'], [['basic', {}]]],
    [['Basic realm="a b"'], [['basic', { realm: 'a b' }]]],
    [
      ['Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull,push"'],
      [['bearer', { realm: 'https://auth.example/token', service: 'registry', scope: 'repository:a/b:pull,push' }]],
    ],
    [['BEARER Realm=x , SERVICE = "y"'], [['bearer', { realm: 'x', service: 'y' }]]],
    [
      ['Basic realm="a", Bearer realm="b",service="c"'],
      [
        ['basic', { realm: 'a' }],
        ['bearer', { realm: 'b', service: 'c' }],
      ],
    ],
    [
      ['Basic realm="a"', 'Bearer realm="b"'],
      [
        ['basic', { realm: 'a' }],
        ['bearer', { realm: 'b' }],
      ],
    ],
    [['Bearer realm="with \\"quotes\\" and, a comma"'], [['bearer', { realm: 'with "quotes" and, a comma' }]]],
    [
      ['Negotiate dG9rZW4=, Basic realm="a"'],
      [
        ['negotiate', {}],
        ['basic', { realm: 'a' }],
      ],
    ],
    [
      [', ,Negotiate , NTLM'],
      [
        ['negotiate', {}],
        ['ntlm', {}],
      ],
    ],
    [['Bearer realm="a",realm="b"'], [['bearer', { realm: 'a' }]]],
    [
      ['Bearer realm="never closed'],
      [
        ['bearer', {}],
        ['realm', {}],
      ],
    ],
    [['Bearer realm="a" ; x'], [['bearer', { realm: 'a' }]]],
    [['"quoted"'], []],
    [
      ['Bearer realm="a\u0000b"'],
      [
        ['bearer', {}],
        ['realm', {}],
      ],
    ],
    [['Bearer realm="ü"'], [['bearer', { realm: 'ü' }]]],
  ])('%j', (headers, challenges) => {
    expect(read(...headers)).toEqual(challenges);
  });

  test('hostile ones are cut', () => {
    expect(read(`Bearer realm="${'a'.repeat(10_000)}"`)[0]).toEqual(['bearer', {}]);
    expect(read('A, '.repeat(2000))).toHaveLength(16);
    const many = Array.from({ length: 1000 }, (_, index) => `p${index}=1`).join(',');
    expect(Object.keys(read(`Bearer ${many}`)[0]![1]!)).toHaveLength(32);
  });
});

describe('scopes', () => {
  test('of repositories and of the catalog', () => {
    expect(formatScope({ repository: 'a/b', actions: ['pull', 'push'] })).toBe('repository:a/b:pull,push');
    expect(formatScope({ repository: undefined, actions: [] })).toBe('registry:catalog:*');
  });

  test.each([
    [['repository:a:pull'], ['repository:a:pull']],
    [['repository:a:push', 'repository:a:pull'], ['repository:a:pull,push']],
    [
      ['repository:b:pull', 'repository:a:pull', 'repository:b:pull'],
      ['repository:a:pull', 'repository:b:pull'],
    ],
    [['repository:host:5000/a:pull'], ['repository:host:5000/a:pull']],
    [['registry:catalog:*'], ['registry:catalog:*']],
    [['', 'nonsense', 'a b', 'repository:a:PULL!'], []],
  ])('%j together are %j', (scopes, united) => {
    expect(uniteScopes(scopes)).toEqual(united);
    expect(uniteScopes(united)).toEqual(united);
  });

  test.each([
    [['repository:a:pull,push'], ['repository:a:pull'], true],
    [['repository:a:pull'], ['repository:a:pull,push'], false],
    [['repository:a:pull'], ['repository:b:pull'], false],
    [['repository:a:pull', 'repository:b:pull'], ['repository:b:pull'], true],
    [[], [], true],
  ])('%j allow %j: %s', (granted, wanted, covers) => {
    expect(coversScopes(granted, wanted)).toBe(covers);
  });
});
