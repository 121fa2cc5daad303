import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  /** Paths of PEM files, for programs. */
  readonly certificate: string;
  readonly key: string;
  /** The same as text. */
  readonly pem: { readonly cert: string; readonly key: string };
}

/** A certificate authority that lives as long as a test, made by openssl(1). */
export class TestAuthority implements Disposable {
  readonly #directory = mkdtempSync('/var/tmp/cloister-authority-');
  readonly certificate = join(this.#directory, 'ca.crt');
  readonly pem: string;

  constructor() {
    const key = join(this.#directory, 'ca.key');
    this.#openssl(
      'req',
      '-x509',
      '-subj',
      '/CN=cloister test authority',
      '-days',
      '2',
      ...this.#newKey(key, this.certificate),
    );
    this.pem = readFileSync(this.certificate, 'utf8');
  }

  /** @param names - as subjectAltName(5) writes them: `IP:127.0.0.1`, `DNS:localhost`. */
  issue(name: string, names: readonly string[], use: 'serverAuth' | 'clientAuth'): Certificate {
    const file = (end: string): string => join(this.#directory, `${name}.${end}`);
    const alternatives = names.length === 0 ? '' : `subjectAltName=${names.join(',')}\n`;
    writeFileSync(file('ext'), `${alternatives}extendedKeyUsage=${use}\n`);
    this.#openssl('req', '-subj', `/CN=${name}`, ...this.#newKey(file('key'), file('csr')));
    const authority = ['-CA', this.certificate, '-CAkey', join(this.#directory, 'ca.key'), '-CAcreateserial'];
    this.#openssl(
      'x509',
      '-req',
      '-in',
      file('csr'),
      '-days',
      '2',
      ...authority,
      '-extfile',
      file('ext'),
      '-out',
      file('crt'),
    );
    const pem = { cert: readFileSync(file('crt'), 'utf8'), key: readFileSync(file('key'), 'utf8') };
    return { certificate: file('crt'), key: file('key'), pem };
  }

  #newKey(key: string, out: string): string[] {
    return ['-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', out];
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
