import { readFileSync } from 'node:fs';
import { archive, directory, file, symlink } from './tar.js';
import { layerOf, testImage, type TestImage } from './test-image.js';

const PROGRAMS = [
  'sh',
  'cat',
  'chmod',
  'chown',
  'echo',
  'env',
  'id',
  'ln',
  'ls',
  'mkdir',
  'mkfifo',
  'mv',
  'pwd',
  'rm',
  'sleep',
  'stat',
  'touch',
  'true',
];

/** A layer that commands can run from: Debian's busybox-static, the directories that are mounted on, and more entries. */
export function busyboxLayer(...more: readonly Uint8Array[]): Buffer {
  return archive(
    ...['bin', 'dev', 'etc', 'proc', 'sys', 'tmp'].map((path) => directory(path)),
    file('bin/busybox', readFileSync('/bin/busybox'), { mode: 0o755 }),
    ...PROGRAMS.map((name) => symlink(`bin/${name}`, 'busybox')),
    file('etc/passwd', 'root:x:0:0::/:/bin/sh\n'),
    file('etc/group', 'root:x:0:\n'),
    ...more,
  );
}

/** An image that runs: a layer of busybox, and one with the file `/which`. */
export function busyboxImage(which: string, config: object = {}): TestImage {
  return testImage([busyboxLayer(), layerOf({ which })], {
    config: { Env: ['PATH=/bin'], Cmd: ['/bin/sh'], ...config },
  });
}
