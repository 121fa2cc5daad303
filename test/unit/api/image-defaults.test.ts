import { describe, expect, test } from 'vitest';
import { toImageDefaults } from '../../../lib/api/image-defaults.js';
import { parseImageConfig } from '../../../lib/image/image-config.js';
import type { ImageDefaults } from '../../../lib/runtime/image.js';

function defaults(config: object): ImageDefaults {
  const document = { os: 'linux', architecture: 'amd64', config, rootfs: { type: 'layers', diff_ids: [] } };
  return toImageDefaults(parseImageConfig(Buffer.from(JSON.stringify(document)), 0));
}

describe('the command of a health check', () => {
  const bash = ['/bin/bash', '-ec'];

  test.each<[string, object, string[]]>([
    ['by the shell', { Test: ['CMD-SHELL', 'exit 0'] }, ['/bin/sh', '-c', 'exit 0']],
    ["by the image's shell", { Test: ['CMD-SHELL', 'exit 0'], Shell: bash }, [...bash, 'exit 0']],
    [
      'by the shell, where that of the image is nothing',
      { Test: ['CMD-SHELL', 'x'], Shell: [] },
      ['/bin/sh', '-c', 'x'],
    ],
    ['by no shell', { Test: ['CMD', '/check', 'x'], Shell: bash }, ['/check', 'x']],
  ])('%s', (_, { Test, Shell }: { Test?: string[]; Shell?: string[] }, command) => {
    expect(defaults({ Healthcheck: { Test }, Shell }).health?.command).toEqual(command);
  });
});

test('an entrypoint of one empty text is none, as Docker has it', () => {
  expect(defaults({ Entrypoint: [''], Cmd: ['sh'] })).toMatchObject({ entrypoint: [], cmd: ['sh'] });
  expect(defaults({ Entrypoint: ['', 'a'] })).toMatchObject({ entrypoint: ['', 'a'] });
});

test('the root is no volume', () => {
  expect(defaults({ Volumes: { '/': {}, '': {}, '/a/..': {}, '/data': {} } }).volumes).toEqual(['/data']);
});
