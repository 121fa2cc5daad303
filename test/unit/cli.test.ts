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

test.each([[['--help']], [['-h']], [['help']], [['doctor', '--help']]])(
  '%j tells how it is used, and is no failure',
  async (args) => {
    expect(await run(...args)).toMatchObject({ code: 0, out: expect.stringContaining('cloister doctor'), err: '' });
  },
);

test.each([[[]], [['docter']], [['doctor', '--yaml']], [['--help', 'me']]])('%j is one', async (args) => {
  const { code, out, err } = await run(...args);
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toContain(args.length === 0 ? 'got nothing' : `got "${args.join(' ')}"`);
  expect(err).toContain('cloister doctor');
});
