import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

const directory = fileURLToPath(new URL('../examples', import.meta.url));
const execute = promisify(execFile);

/** As a user would: with plain Node, on the built package. */
async function run(name: string): Promise<string> {
  const { stdout, stderr } = await execute(process.execPath, [`${directory}/${name}.mjs`]);
  expect(stderr).toBe('');
  return stdout;
}

/** What each prints, wholly. */
const OUTPUT: Readonly<Record<string, RegExp>> = {
  hello: /^Hello from inside\nexit code 0\n$/,
  'run-untrusted-python':
    /^6 \* 7 = 42\nI am uid 65534 and see 2 processes\nno network: Network is unreachable\nno secrets: No such file or directory\n$/,
  limits: new RegExp(
    [
      '^timeout: ended for timeout, SIGKILL',
      'cpu: ended for cpu, SIGKILL',
      'oom: ended for oom, SIGKILL',
      'pids: ended for pids, exit code [12]',
      'output: ended for output, SIGKILL\n$',
    ].join('\n'),
  ),
  streaming:
    /^\[stdout\] step 1\n\[stdout\] step 2\n\[stdout\] step 3\n\[stderr\] a warning\nexit code 0, at least 300 ms\n$/,
  stdin: /^A TEXT\n\/\/ Three ways to give\nyou said: hello\nyou said: goodbye\n$/,
  tty: /^24 80\nyour name\?\nAda\n43 132\nhello Ada, on \/dev\/pts\/0\nexit code 0\n$/,
  events: new RegExp(
    [
      '^exec: python3 has pid \\d+',
      'oom: 1 killed for memory',
      'exec-exit: python3: oom',
      'exec: python3 has pid \\d+',
      'exec-exit: python3: exit',
      'started exec oom exec-exit updated exec exec-exit stopped removed\n$',
    ].join('\n'),
  ),
  'living-sandbox': new RegExp(
    [
      '^workspace is running',
      '45\\? 45',
      'sleep has pid \\d+ inside',
      'workspace is paused',
      'memory limit 256 MiB, processes 1 of 32',
      'sleep: SIGTERM, killed; workspace is stopped\n$',
    ].join('\n'),
  ),
  images: /^0 images\ndocker\.io\/me\/base:1\ndocker\.io\/me\/base:latest\nHello from an image\n$/,
  doctor: /^ok {6}kernel: Linux [^\n]+\n(.+\n)*sandboxes work here\n$/,
  abort: /^ended for abort, 0 processes left\nsaid "bye" and exited with 3\nERR_ABORTED\n$/,
  quickstart: /^A script that does its work \(.+\n/,
};

test('every example is here', () => {
  const files = readdirSync(directory).map((file) => file.replace(/\.mjs$/, ''));
  expect(files.sort()).toEqual(Object.keys(OUTPUT).sort());
});

test.each(Object.entries(OUTPUT))('%s', async (name, expected) => {
  expect(await run(name)).toMatch(expected);
});

test.each(Object.keys(OUTPUT).filter((name) => name !== 'quickstart'))('%s is short', (name) => {
  expect(readFileSync(`${directory}/${name}.mjs`, 'utf8').split('\n').length).toBeLessThan(40);
});

describe('quickstart', () => {
  /** The row of the table below a title. */
  async function tables(): Promise<Record<string, string[]>> {
    const blocks = (await run('quickstart')).split('\n\n').filter((block) => block !== '');
    const rows: Record<string, string[]> = {};
    for (let at = 0; at + 1 < blocks.length; at += 2) {
      const row = blocks[at + 1]!.split('\n')[2]!;
      rows[blocks[at]!.replace(/ \(.*/, '')] = row.trim().split(/ {2,}/);
    }
    return rows;
  }

  test('says of each program why it ended, how, and what it cost', async () => {
    const rows = await tables();
    expect(Object.keys(rows)).toHaveLength(6);
    const mib = expect.stringMatching(/^\d+\.\d MiB$/) as string;
    const ms = expect.stringMatching(/^\d+ ms$/) as string;
    // A kernel without `pids.peak` cannot always tell.
    const count = expect.stringMatching(/^(\d+|\?)$/) as string;
    expect(rows['A script that does its work']).toEqual(['exit', 'exit 0', ms, ms, mib, count]);
    expect(rows['A script that looks around']).toEqual(['exit', 'exit 0', ms, ms, mib, count]);
    expect(rows['A fork bomb']).toEqual(['pids', expect.stringMatching(/^exit [12]$/), ms, ms, mib, count]);
    expect(rows['A memory hog']).toEqual(['oom', 'SIGKILL', ms, ms, expect.stringMatching(/^6[0-4]\.\d MiB$/), count]);
    expect(rows['A busy loop']).toEqual(['cpu', 'SIGKILL', ms, ms, mib, count]);
    expect(rows['A flood of output']).toEqual(['output', 'SIGKILL', ms, ms, mib, count]);
  });
});
