#!/usr/bin/env node
import { Host } from './api/host.js';
import type { DoctorCheck } from './api/doctor.js';

const MARK: Readonly<Record<DoctorCheck['status'], string>> = { ok: '✓', limited: '!', broken: '✗' };

const USAGE = `Usage: cloister doctor [--json]
       cloister --help

  doctor   what of the library works on this machine, what does not, why, and what to do
`;

function printCheck({ name, status, detail, remedy }: DoctorCheck, width: number): void {
  console.log(`${MARK[status]} ${name.padEnd(width)}  ${detail}`);
  if (remedy !== undefined) console.log(`${' '.repeat(width + 4)}→ ${remedy}`);
}

async function doctor(asJson: boolean): Promise<number> {
  const report = await Host.doctor();
  if (asJson) {
    console.log(JSON.stringify(report, undefined, 2));
  } else {
    const width = Math.max(...report.checks.map(({ name }) => name.length));
    for (const check of report.checks) printCheck(check, width);
    console.log(report.ok ? '\nSandboxes work on this machine.' : '\nSandboxes do not work on this machine yet.');
  }
  return report.ok ? 0 : 1;
}

async function main([command, ...rest]: readonly string[]): Promise<number> {
  if (command === 'doctor' && rest.every((option) => option === '--json')) return doctor(rest.length > 0);
  const isHelp = (word = ''): boolean => ['--help', '-h', 'help'].includes(word);
  if ((isHelp(command) && rest.length === 0) || (command === 'doctor' && rest.length === 1 && isHelp(rest[0]))) {
    process.stdout.write(USAGE);
    return 0;
  }
  const got = [command, ...rest].filter((word) => word !== undefined).join(' ');
  process.stderr.write(
    `cloister: expected one of these, got ${got === '' ? 'nothing' : JSON.stringify(got)}\n\n${USAGE}`,
  );
  return 2;
}

process.exitCode = await main(process.argv.slice(2));
