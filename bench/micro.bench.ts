import { bench, describe } from 'vitest';
import { checkCommand } from '../lib/api/command-spec.js';
import { checkSandbox } from '../lib/api/sandbox-spec.js';
import { encodeLaunch } from '../lib/native/wire.js';
import { planCommand } from '../lib/runtime/plan-command.js';
import { maskedPathsOfHost, planLaunch, type LaunchParts } from '../lib/runtime/plan-launch.js';
import { compileRules } from '../lib/security/seccomp/compile.js';
import { DEFAULT_POLICY } from '../lib/security/seccomp/default-profile.js';
import { resolvePolicy } from '../lib/security/seccomp/resolve.js';

const OPTIONS = { limits: { memory: '256MiB', cpus: 0.5, pids: 64 }, env: { LANG: 'C.UTF-8' } };
const RLIMITS = { core: { soft: 0, hard: 0 }, nofile: { soft: 1024, hard: 4096 } };
const ARGV = ['python3', '-c', 'print(6*7)'];

const spec = checkSandbox(OPTIONS);
const commandSpec = checkCommand(ARGV, {}, spec, 60_000);
const context = { capabilities: spec.capabilities, kernelVersion: [6, 18], architecture: 'x64' } as const;
const seccomp = { program: compileRules(resolvePolicy(DEFAULT_POLICY, context)), flags: 0 };
const map = [{ inside: 0, outside: 0x7000_0000, count: 65_536 }];
const parts: LaunchParts = {
  rootfs: {
    sources: [{ kind: 'host', fd: 9, idmap: 'yes', recursive: false, attributes: 0n }],
    root: 0,
    steps: [],
    changes: undefined,
  },
  uidMap: map,
  gidMap: map,
  nextRoot: 0,
  wantsChanges: false,
  directories: [],
  binds: [],
  seccomp,
  maskedPaths: maskedPathsOfHost(),
  cgroup: { directory: undefined, tasks: [10, 11, 12] },
};
const plan = planLaunch(spec, parts);
const command = planCommand(spec, commandSpec, RLIMITS);
const fds = { id: 1, killRest: true, stdio: [-1, 13, 14], cgroup: -1, cgroupFiles: [] } as const;

describe("what a start costs on Node's own thread before the kernel is asked for anything", () => {
  bench('validate options', () => {
    checkCommand(ARGV, {}, checkSandbox(OPTIONS), 60_000);
  });
  bench('plan', () => {
    planLaunch(spec, parts);
    planCommand(spec, commandSpec, RLIMITS);
  });
  bench('encode', () => {
    encodeLaunch(1, plan, 15, { plan: command, fds });
  });
});

describe('once per profile', () => {
  bench('compile the default system call filter', () => {
    compileRules(resolvePolicy(DEFAULT_POLICY, context));
  });
});
