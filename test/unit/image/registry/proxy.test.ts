import { describe, expect, test } from 'vitest';
import { isLoopback, PlainHttp } from '../../../../lib/image/registry/http/plain-http.js';
import { proxyFor } from '../../../../lib/image/registry/http/proxy.js';

const PROXY = 'http://proxy.test:3128';
const by = (url: string, env: Record<string, string>) => proxyFor(new URL(url), env)?.href;

describe('which proxy', () => {
  test.each<[string, Record<string, string>, string | undefined]>([
    ['https://a.test/', { HTTPS_PROXY: PROXY }, `${PROXY}/`],
    ['https://a.test/', { https_proxy: 'http://lower.test', HTTPS_PROXY: PROXY }, 'http://lower.test/'],
    ['https://a.test/', { HTTP_PROXY: PROXY }, undefined],
    ['http://a.test/', { HTTP_PROXY: PROXY }, `${PROXY}/`],
    ['http://a.test/', { HTTP_PROXY: PROXY, REQUEST_METHOD: 'GET' }, undefined],
    ['http://a.test/', { http_proxy: PROXY, REQUEST_METHOD: 'GET' }, `${PROXY}/`],
    ['https://a.test/', { ALL_PROXY: PROXY }, `${PROXY}/`],
    ['https://a.test/', { HTTPS_PROXY: 'proxy.test:3128' }, `${PROXY}/`],
    ['https://a.test/', { HTTPS_PROXY: '' }, undefined],
    ['http://localhost:5000/', { HTTP_PROXY: PROXY }, undefined],
    ['http://127.8.9.10/', { HTTP_PROXY: PROXY }, undefined],
    ['http://[::1]:5000/', { HTTP_PROXY: PROXY }, undefined],
  ])('%s with %j', (url, env, proxy) => {
    expect(by(url, env)).toBe(proxy);
  });

  test.each<[string, string, boolean]>([
    ['https://a.test/', '*', true],
    ['https://a.test/', 'a.test', true],
    ['https://A.test/', 'a.TEST', true],
    ['https://b.a.test/', 'a.test', true],
    ['https://b.a.test/', '.a.test', true],
    ['https://b.a.test/', '*.a.test', true],
    ['https://ba.test/', 'a.test', false],
    ['https://a.test:5000/', 'a.test:5000', true],
    ['https://a.test/', 'a.test:5000', false],
    ['https://a.test/', 'a.test:443', true],
    ['https://a.test/', 'x.test, a.test', true],
    ['https://a.test/', 'x.test a.test', true],
    ['https://10.1.2.3/', '10.0.0.0/8', true],
    ['https://11.1.2.3/', '10.0.0.0/8', false],
    ['https://10.1.2.3/', '10.1.2.3', true],
    ['https://110.1.2.3/', '10.1.2.3', false],
    ['https://[2001:db8::5]/', '2001:db8::/32', true],
    ['https://[2001:db8::5]/', '2001:db8::5', true],
    ['https://[2001:db8::5]:8443/', '[2001:db8::5]:8443', true],
    ['https://a.test/', '10.0.0.0/99', false],
    ['https://a.test/', '', false],
  ])('%s with NO_PROXY=%s goes without: %s', (url, exempt, isExempt) => {
    expect(by(url, { HTTPS_PROXY: PROXY, NO_PROXY: exempt }) === undefined).toBe(isExempt);
  });

  test.each(['socks5://x', 'ftp://me:secret@x', 'http://[', '://'])('%s is none', (value) => {
    const refusal = (): unknown => by('https://a.test/', { HTTPS_PROXY: value });
    expect(refusal).toThrow('environment variable HTTPS_PROXY: expected the address of an HTTP proxy');
    expect(refusal).not.toThrow('secret');
  });
});

describe('where plain HTTP is spoken', () => {
  const plain = new PlainHttp(['Registry.test:5000', 'other.test:80']);

  test.each([
    ['localhost', true],
    ['localhost:5000', true],
    ['127.0.0.1:5000', true],
    ['127.255.0.1', true],
    ['[::1]:5000', true],
    ['registry.test:5000', true],
    ['registry.test', false],
    ['registry.test:5001', false],
    ['other.test', true],
    ['other.test:80', true],
    ['128.0.0.1', false],
    ['127.0.0.1.test', false],
    ['localhost.test', false],
    ['[::ffff:127.0.0.1]', false],
  ])('%s: %s', (authority, allowed) => {
    expect(plain.allows(authority)).toBe(allowed);
  });

  test.each([
    ['https://a.test/', 'https://b.test/', true],
    ['https://a.test/', 'http://a.test/', false],
    ['https://a.test/', 'http://localhost/', false],
    ['https://a.test/', 'http://registry.test:5000/', false],
    ['http://localhost/', 'http://localhost:5000/', true],
    ['http://localhost/', 'http://registry.test:5000/', true],
    ['http://registry.test:5000/', 'http://registry.test:5000/x', true],
    ['http://registry.test:5000/', 'http://localhost/', false],
    ['http://registry.test:5000/', 'http://b.test/', false],
    ['http://localhost/', 'file:///etc/passwd', false],
    ['http://localhost/', 'data:,x', false],
  ])('%s may lead to %s: %s', (from, to, allowed) => {
    expect(plain.allowsStep(new URL(from), new URL(to))).toBe(allowed);
  });

  test('an address is what the kernel takes it for', () => {
    // Other spellings of 127.0.0.1 are one by the time that they are asked for.
    for (const host of ['0x7f.1', '2130706433', '017700000001'])
      expect(isLoopback(new URL(`http://${host}/`).hostname)).toBe(true);
  });
});
