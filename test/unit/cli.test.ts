import { expect, test, vi } from 'vitest';

/** As the program does: `process.argv`, then the module. */
async function run(...args: string[]): Promise<{ code: unknown; out: string; err: string }> {
  const texts = { out: '', err: '' };
  const into = (name: 'out' | 'err') => (text: unknown) => {
    texts[name] += String(text);
    return true;
  };
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(into('out')),
    vi.spyOn(process.stderr, 'write').mockImplementation(into('err')),
  ];
  const { argv, exitCode } = process;
  try {
    process.argv = ['node', 'cloister', ...args];
    vi.resetModules();
    await import('../../lib/cli.js');
    return { code: process.exitCode, ...texts };
  } finally {
    process.argv = argv;
    process.exitCode = exitCode;
    for (const spy of spies) spy.mockRestore();
  }
}

test.each(['--help', '-h', 'help'])('%s tells how it is used, and is no failure', async (option) => {
  expect(await run(option)).toMatchObject({ code: 0, out: expect.stringContaining('cloister doctor'), err: '' });
});

test.each([[[]], [['docter']], [['doctor', '--yaml']], [['--help', 'me']]])('%j is one', async (args) => {
  expect(await run(...args)).toMatchObject({ code: 2, out: '', err: expect.stringContaining('cloister doctor') });
});
